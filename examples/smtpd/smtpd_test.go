package main_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

var smtpd string // the program under test

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "smtpd")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	smtpd = filepath.Join(dir, "smtpd")
	if out, err := exec.Command("go", "build", "-o", smtpd, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// A daemon is one running smtpd with its client's end of the connection.
type daemon struct {
	client  *net.TCPConn
	maildir string
	cmd     *exec.Cmd
	log     *bytes.Buffer
}

// start runs smtpd as an inetd would: an accepted TCP socket on 0 and 1.
func start(t *testing.T, rcpthosts string, env ...string) *daemon {
	t.Helper()
	dir := t.TempDir()
	hosts := filepath.Join(dir, "rcpthosts")
	if err := os.WriteFile(hosts, []byte(rcpthosts), 0o600); err != nil {
		t.Fatal(err)
	}
	client, server := tcpPair(t)
	d := &daemon{client: client, maildir: filepath.Join(dir, "Maildir"), log: new(bytes.Buffer)}
	d.cmd = exec.Command(smtpd, "-rcpthosts", hosts, "-maildir", d.maildir, "-hostname", "mx.example.net")
	d.cmd.Stdin, d.cmd.Stdout, d.cmd.Stderr = server, server, d.log
	d.cmd.Env = append([]string{"TZ=UTC"}, env...)
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	server.Close()
	t.Cleanup(func() { d.cmd.Process.Kill(); d.cmd.Wait() })
	client.SetDeadline(time.Now().Add(20 * time.Second))
	return d
}

// tcpPair returns both ends of a TCP connection over loopback, the server's as
// a blocking descriptor.
func tcpPair(t *testing.T) (*net.TCPConn, *os.File) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	file, err := server.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	return client.(*net.TCPConn), file
}

// mails returns what is in new, in order of arrival, without the date; tmp
// must be empty by now.
func (d *daemon) mails(t *testing.T) []string {
	t.Helper()
	if left, _ := filepath.Glob(filepath.Join(d.maildir, "tmp", "*")); len(left) > 0 {
		t.Errorf("left in tmp: %v", left)
	}
	files, err := filepath.Glob(filepath.Join(d.maildir, "new", "*"))
	if err != nil {
		t.Fatal(err)
	}
	var mails []string
	for _, f := range files { // Glob sorts, and names begin with the time
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		mails = append(mails, date.ReplaceAllString(string(text), "; DATE\n"))
	}
	return mails
}

var date = regexp.MustCompile(`; \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}\n`)

// Each file of testdata is a dialogue: "c -> text" is sent with CR LF, `c => "text"`
// as the Go string it is, "c <- text" must come back ("..." stands for the rest of
// the line), "c <- EOF" is the end. Then exactly the mails of the file are there.
func TestDialogue(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dialogues: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			dialogue(t, file)
		})
	}
}

func dialogue(t *testing.T, file string) {
	var rcpthosts, talk string
	var env, want []string
	for _, sec := range sections(t, file) {
		switch sec.name {
		case "rcpthosts":
			rcpthosts = sec.text
		case "environ":
			env = unquote(t, sec.text)
		case "dialogue":
			talk = sec.text
		case "mail":
			want = append(want, sec.text)
		default:
			t.Fatalf("%s: what is %q?", file, sec.name)
		}
	}
	d := start(t, rcpthosts, env...)
	d.talk(t, talk)
	d.client.Close()
	if err := d.cmd.Wait(); err != nil {
		t.Errorf("%v, log:\n%s", err, d.log)
	}
	got := d.mails(t)
	if g, w := strings.Join(got, "---\n"), strings.Join(want, "---\n"); g != w {
		t.Errorf("mails:\n%s\nwant:\n%s", g, w)
	}
}

// A section is the part of a file after a line "-- name --", as in txtar.
type section struct{ name, text string }

func sections(t *testing.T, file string) (list []section) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		name, begins := strings.CutPrefix(line, "-- ")
		switch {
		case begins:
			list = append(list, section{name: strings.TrimSuffix(name, " --\n")})
		case len(list) > 0:
			list[len(list)-1].text += line
		}
	}
	return list
}

// unquote reads environment settings, one a line, as Go strings without the
// quotes.
func unquote(t *testing.T, text string) (env []string) {
	for line := range strings.Lines(text) {
		s, err := strconv.Unquote(`"` + strings.TrimSuffix(line, "\n") + `"`)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		env = append(env, s)
	}
	return env
}

func (d *daemon) talk(t *testing.T, talk string) {
	t.Helper()
	r := bufio.NewReader(d.client)
	for line := range strings.Lines(talk) {
		line = strings.TrimSuffix(line, "\n")
		if len(line) < 4 || line[0] == '#' {
			continue
		}
		text := strings.TrimPrefix(line[4:], " ")
		switch line[:4] {
		case "c ->":
			io.WriteString(d.client, text+"\r\n")
		case "c =>":
			raw, err := strconv.Unquote(text)
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			io.WriteString(d.client, raw)
		case "c <-":
			expect(t, r, text)
		default:
			t.Fatalf("%q: want c ->, c => or c <-", line)
		}
	}
}

func expect(t *testing.T, r *bufio.Reader, want string) {
	t.Helper()
	got, err := r.ReadString('\n')
	if want == "EOF" {
		if err != io.EOF {
			t.Fatalf("got %q, %v, want the end", got, err)
		}
		return
	}
	line, ok := strings.CutSuffix(got, "\r\n")
	if prefix, rest := strings.CutSuffix(want, "..."); rest {
		ok = ok && strings.HasPrefix(line, prefix)
	} else {
		ok = ok && line == want
	}
	if !ok {
		t.Fatalf("got %q, %v, want %q", got, err, want)
	}
}

// No sequence but CR LF . CR LF ends a message, however it is cut into
// segments; any other with a bare CR or LF in it ends the session, and the
// message with it.
func TestSmuggling(t *testing.T) {
	ends := []string{"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n", "\r\r\n.\r\r\n", "\r\n.\r\r\n", "\n\r.\n\r"}
	for _, end := range ends {
		message := "Subject: a\r\n\r\nfirst" + end
		second := "MAIL FROM:<admin@example.net>\r\nRCPT TO:<b@example.net>\r\nDATA\r\nsecond\r\n.\r\n"
		for cut := len(message) - len(end); cut <= len(message); cut++ {
			t.Run(fmt.Sprintf("%q cut at %d", end, cut), func(t *testing.T) {
				t.Parallel()
				d := start(t, "example.net\n")
				d.talk(t, envelope)
				io.WriteString(d.client, message[:cut])
				time.Sleep(time.Millisecond) // a segment of its own
				io.WriteString(d.client, message[cut:]+second+"\r\n.\r\nQUIT\r\n")
				d.client.CloseWrite()
				replies, _ := io.ReadAll(d.client)
				d.cmd.Wait()
				if !strings.HasPrefix(string(replies), "550 5.5.2 ") || strings.Contains(string(replies), "250 ") {
					t.Errorf("replies %q, want a refusal and no more", replies)
				}
				if m := d.mails(t); len(m) > 0 {
					t.Errorf("delivered %q", m)
				}
			})
		}
	}
}

const envelope = `c <- 220 ...
c -> HELO a
c <- 250 ...
c -> MAIL FROM:<a@example.org>
c <- 250 ...
c -> RCPT TO:<b@example.net>
c <- 250 ...
c -> DATA
c <- 354 ...
`

// The limits hold, and a message beyond one is refused for good: the client
// must not come back with it.
func TestLimits(t *testing.T) {
	tests := []struct {
		name, body, want string
	}{
		{"more than 10 MiB", strings.Repeat(strings.Repeat("x", 900)+"\r\n", 11_700) + ".\r\n", "552 5.3.4 "},
		{"a line of 2000 bytes", strings.Repeat("x", 2000) + "\r\n.\r\n", "554 5.6.0 "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := start(t, "example.net\n")
			d.talk(t, envelope)
			io.WriteString(d.client, tt.body)
			reply, err := bufio.NewReader(d.client).ReadString('\n')
			if !strings.HasPrefix(reply, tt.want) {
				t.Errorf("got %q, %v, want %q", reply, err, tt.want)
			}
			d.client.Close()
			d.cmd.Wait()
			if m := d.mails(t); len(m) > 0 {
				t.Errorf("%d messages delivered", len(m))
			}
		})
	}
}

// A client that goes away in the middle leaves nothing, by DATA or by BDAT.
func TestCutOff(t *testing.T) {
	for _, begin := range []string{envelope, strings.ReplaceAll(envelope, "c -> DATA\nc <- 354 ...\n", "c -> BDAT 5000\n")} {
		d := start(t, "example.net\n")
		d.talk(t, begin)
		io.WriteString(d.client, "Subject: half a mess")
		d.client.Close()
		d.cmd.Wait()
		if m := d.mails(t); len(m) > 0 {
			t.Errorf("delivered %q", m)
		}
	}
}

// Without what it needs smtpd says so and exits 111, having greeted nobody.
func TestRefusesToStart(t *testing.T) {
	dir := t.TempDir()
	tests := []struct {
		args []string
		want string
	}{
		{nil, "usage: "},
		{[]string{"-rcpthosts", dir + "/none", "-maildir", dir}, dir + "/none: no such file"},           // not an open relay
		{[]string{"-rcpthosts", "/dev/null", "-maildir", "/dev/null"}, "/dev/null"},                     // nowhere to deliver
		{[]string{"-rcpthosts", "/dev/null", "-maildir", dir}, "descriptor 0: want a connected socket"}, // not under an inetd
	}
	for _, tt := range tests {
		out, err := exec.Command(smtpd, tt.args...).CombinedOutput()
		exit, _ := err.(*exec.ExitError)
		if exit == nil || exit.ExitCode() != 111 || !strings.Contains(string(out), tt.want) {
			t.Errorf("%q: %v, %q, want exit 111 and %q", tt.args, err, out, tt.want)
		}
	}
}

// Under xinetd descriptor 2 is the connection too: nothing is logged into it.
func TestNoLogIntoDialogue(t *testing.T) {
	client, server := tcpPair(t)
	cmd := exec.Command(smtpd, "-rcpthosts", "/dev/null", "-maildir", t.TempDir())
	cmd.Stdin, cmd.Stdout, cmd.Stderr = server, server, server
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	server.Close()
	client.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(client, "HELO a\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nQUIT\r\n")
	replies, err := io.ReadAll(client)
	if err != nil || cmd.Wait() != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(replies)) {
		if !regexp.MustCompile(`^\d{3} .*\r\n$`).MatchString(line) {
			t.Errorf("not a reply: %q", line)
		}
	}
}
