package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"doorward/cmd/internal/itself"
	"doorward/launcher/run"
)

func TestMain(m *testing.M) { itself.Main(m, main) }

// A server is a running tcpserver.
type server struct {
	t    *testing.T
	cmd  *exec.Cmd
	log  string // file
	port string // from -1
	done chan struct{}
}

// command is tcpserver with these arguments.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := itself.Command(t, args...)
	cmd.Env = append(cmd.Env, "TCPREMOTEHOST=inherited")
	return cmd
}

// start runs tcpserver -1Hl0 with further arguments on 127.0.0.1.
func start(t *testing.T, flags string, program ...string) *server {
	t.Helper()
	args := append([]string{"-1Hl0"}, strings.Fields(flags)...)
	return launch(t, command(t, append(append(args, "127.0.0.1", "0"), program...)...))
}

// launch runs cmd, which prints its port, and stops it when the test ends.
func launch(t *testing.T, cmd *exec.Cmd) *server {
	t.Helper()
	s := &server{t: t, cmd: cmd, log: filepath.Join(t.TempDir(), "log"), done: make(chan struct{})}
	log, err := os.Create(s.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	s.port = strings.TrimSuffix(line, "\n")
	go func() { cmd.Wait(); close(s.done) }()
	t.Cleanup(func() { cmd.Process.Kill(); <-s.done })
	if err != nil {
		t.Fatalf("no port: %v\n%s", err, s.logged())
	}
	return s
}

func (s *server) logged() string {
	b, _ := os.ReadFile(s.log)
	return string(b)
}

func (s *server) waitFor(pattern string) string {
	s.t.Helper()
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if m := re.FindString(s.logged()); m != "" {
			return m
		}
	}
	s.t.Fatalf("nothing matches %q in the log:\n%s", pattern, s.logged())
	return ""
}

// dial connects from a loopback address.
func (s *server) dial(from string) net.Conn {
	s.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.Dial("tcp", "127.0.0.1:"+s.port)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}

// visit sends input and returns all that comes back.
func (s *server) visit(from, input string) string {
	s.t.Helper()
	c := s.dial(from)
	defer c.Close()
	io.WriteString(c, input)
	c.(*net.TCPConn).CloseWrite()
	b, _ := io.ReadAll(c) // a reset ends it as well
	return string(b)
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// replace puts a file in the place of another at once.
func replace(t *testing.T, name, text string) {
	t.Helper()
	if err := os.Rename(write(t, name+".tmp", text), name); err != nil {
		t.Fatal(err)
	}
}

// The lines of the log are the original's to the letter: here one client that
// is let in and one that is not.
func TestLogLines(t *testing.T) {
	rules := write(t, t.TempDir()+"/rules", "127.0.0.2:deny\n")
	s := start(t, "-vR -c 3 -x "+rules, "sh", "-c", "exit 7")
	s.visit("127.0.0.1", "")
	s.waitFor(`end \d+ status 1792\n.*status: 0/3\n`)
	s.visit("127.0.0.2", "")
	s.waitFor(`status 25600\n.*\n`)
	got := regexp.MustCompile(`(pid|ok|deny|end) \d+`).ReplaceAllString(s.logged(), "$1 PID")
	got = regexp.MustCompile(`::\d+\n`).ReplaceAllString(got, "::RPORT\n")
	want := strings.ReplaceAll(`tcpserver: status: 0/3
tcpserver: status: 1/3
tcpserver: pid PID from 127.0.0.1
tcpserver: ok PID 0:::ffff:127.0.0.1:PORT :::ffff:127.0.0.1::RPORT
tcpserver: end PID status 1792
tcpserver: status: 0/3
tcpserver: status: 1/3
tcpserver: pid PID from 127.0.0.2
tcpserver: deny PID 0:::ffff:127.0.0.1:PORT :::ffff:127.0.0.2::RPORT
tcpserver: end PID status 25600
tcpserver: status: 0/3
`, "PORT ", s.port+" ")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// At -c clients wait, and are served in their order; none is refused.
func TestLimitQueues(t *testing.T) {
	s := start(t, "-vR -c 1", "sh", "-c", "echo in; cat >/dev/null")
	first := s.dial("127.0.0.1")
	if line, err := bufio.NewReader(first).ReadString('\n'); line != "in\n" {
		t.Fatal(line, err)
	}
	second := s.dial("127.0.0.1")
	second.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	if n, err := second.Read(make([]byte, 1)); n > 0 || !os.IsTimeout(err) {
		t.Fatalf("a second one was served at once: %d, %v", n, err)
	}
	first.Close()
	second.SetReadDeadline(time.Now().Add(10 * time.Second))
	if line, err := bufio.NewReader(second).ReadString('\n'); line != "in\n" {
		t.Errorf("the one who waited got %q, %v", line, err)
	}
}

// The banner goes to everybody, those who are kept out included.
func TestBanner(t *testing.T) {
	rules := write(t, t.TempDir()+"/rules", ":deny\n")
	s := start(t, "-R -B hello -x "+rules, "true")
	if got := s.visit("127.0.0.1", ""); got != "hello" {
		t.Errorf("got %q", got)
	}
}

// Rules that change count for the next client: text and database, replaced by
// rename and written in place; a missing or broken file keeps everybody out,
// but with -X a missing one nobody.
func TestLiveRules(t *testing.T) {
	tcprules := filepath.Join(t.TempDir(), "tcprules")
	if out, err := exec.Command("go", "build", "-o", tcprules, "doorward/cmd/tcprules").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	compiled := func(text string) string {
		dir := t.TempDir()
		cmd := exec.Command(tcprules, dir+"/cdb", dir+"/tmp")
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		b, err := os.ReadFile(dir + "/cdb")
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	plain := func(s string) string { return s }
	for _, tt := range []struct {
		name   string
		encode func(string) string
	}{{"rules", plain}, {"rules.cdb", compiled}} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), tt.name)
			write(t, file, tt.encode(":allow,A=\"1\"\n"))
			s := start(t, "-vR -x "+file, "sh", "-c", `echo $A`)
			expect := func(when, want string) {
				t.Helper()
				if got := s.visit("127.0.0.1", ""); got != want {
					t.Errorf("%s: got %q, want %q", when, got, want)
				}
			}
			expect("at first", "1\n")
			replace(t, file, tt.encode(":allow,A=\"2\"\n"))
			expect("after a rename", "2\n")
			write(t, file, tt.encode(":deny\n"))
			expect("after writing in place", "")
			write(t, file, tt.encode(":allow,A=\"3\"\n"))
			expect("after writing again", "3\n")
			write(t, file, "\x00no rules")
			expect("broken", "")
			s.waitFor(`tcpserver: warning: dropping connection, unable to read .*\ntcpserver: end \d+ status 28416`)
			os.Remove(file)
			expect("missing", "")
			s.waitFor(`tcpserver: warning: dropping connection, unable to read \S+: file does not exist\n`)
		})
	}
	s := start(t, "-RX -x /nonexistent/rules", "echo", "in")
	if got := s.visit("127.0.0.1", ""); got != "in\n" {
		t.Errorf("-X: got %q", got)
	}
}

// --per-source and --rate turn away one source and nobody else.
func TestSourceLimits(t *testing.T) {
	for _, flags := range []string{"--per-source 1", "--per-source=1", "--rate 1/h"} {
		t.Run(flags, func(t *testing.T) {
			s := start(t, "-vR "+flags, "sh", "-c", "echo in; cat >/dev/null")
			first := s.dial("127.0.0.1")
			bufio.NewReader(first).ReadString('\n')
			d := net.Dialer{Timeout: 5 * time.Second}
			if c, err := d.Dial("tcp", "127.0.0.1:"+s.port); err == nil {
				defer c.Close()
				if b, _ := io.ReadAll(c); len(b) > 0 {
					t.Errorf("got %q", b)
				}
			}
			s.waitFor(`tcpserver: warning: dropping connection from 127\.0\.0\.1: `)
			if got := s.visit("127.0.0.2", ""); got != "in\n" {
				t.Errorf("another source got %q", got)
			}
		})
	}
}

// --rules asks further rules after -x: here tcprules by another file, and the
// conventions of RBLSMTPD without rblsmtpd.
func TestRulesWords(t *testing.T) {
	dir := t.TempDir()
	x := write(t, dir+"/x", "127.0.0.2:allow,RBLSMTPD=\"\"\n:allow\n")
	more := write(t, dir+"/more", "127.0.0.3:allow,RBLSMTPD=\"-go away\"\n127.0.0.4:allow,RBLSMTPD=\"later\"\n127.0.0.5:deny\n:allow\n")
	s := launch(t, command(t, "-1vHRl0", "-x", x, "--rules", "tcprules:"+more+" rblsmtpd", "127.0.0.1", "0", "echo", "in"))
	dialogue := "HELO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nQUIT\r\n"
	for from, want := range map[string]string{
		"127.0.0.1": "in\n",
		"127.0.0.2": "in\n",
		"127.0.0.3": "220 rblsmtpd.local\r\n250 rblsmtpd.local\r\n250 rblsmtpd.local\r\n553 go away\r\n221 rblsmtpd.local\r\n",
		"127.0.0.4": "220 rblsmtpd.local\r\n250 rblsmtpd.local\r\n250 rblsmtpd.local\r\n451 later\r\n221 rblsmtpd.local\r\n",
		"127.0.0.5": "",
	} {
		input := dialogue
		if strings.HasPrefix(want, "in") {
			input = ""
		}
		if got := s.visit(from, input); got != want {
			t.Errorf("%s: got %q, want %q", from, got, want)
		}
	}
	s.waitFor(`rblsmtpd: 127\.0\.0\.3 pid \d+: 553 go away\n`)
	s.waitFor(`tcpserver: deny \d+ .*127\.0\.0\.5`)
	replace(t, more, ":deny\n")
	for end := time.Now().Add(5 * time.Second); s.visit("127.0.0.1", "") != ""; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a change of --rules does not count")
		}
	}
}

func TestJSONLog(t *testing.T) {
	s := start(t, "-vR --log-format json", "true")
	s.visit("127.0.0.1", "")
	s.waitFor(`"ended"`)
	for line := range strings.Lines(s.logged()) {
		var e map[string]any
		if err := json.Unmarshal([]byte(line), &e); err != nil || e["remote"] == nil || e["service"] != "true" {
			t.Errorf("%v: %s", err, line)
		}
	}
}

// The connection is on 0 and 1, the log on 2 and nothing else is open; no
// signal is ignored or blocked; the session is the program's own; nothing that
// was inherited says who the client is.
func TestWhatAProgramGets(t *testing.T) {
	cmd := command(t, "-1RHl0", "127.0.0.1", "0", "sh", "-c", `
ls /proc/self/fd | tr '\n' ' '; echo
readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2
grep -E '^Sig(Blk|Ign)' /proc/self/status
cut -d' ' -f1,6 /proc/$$/stat
echo "$PROTO $TCPREMOTEIP ${TCPREMOTEHOST-unset} ${TCPREMOTEINFO-unset} $TCPLOCALHOST"`)
	stray, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer stray.Close()
	cmd.ExtraFiles = []*os.File{stray} // inherited by accident
	got := strings.Split(launch(t, cmd).visit("127.0.0.2", ""), "\n")
	if len(got) < 8 {
		t.Fatalf("got %q", got)
	}
	if got[0] != "0 1 2 3 " { // 3 is the directory that ls reads
		t.Errorf("descriptors %s", got[0])
	}
	if !strings.HasPrefix(got[1], "socket:") || got[1] != got[2] || got[3] == got[1] {
		t.Errorf("0, 1 and 2 are %q", got[1:4])
	}
	if !slices.Equal(got[4:6], []string{"SigBlk:\t0000000000000000", "SigIgn:\t0000000000000000"}) {
		t.Errorf("signals %q", got[4:6])
	}
	if pid, sid, _ := strings.Cut(got[6], " "); pid != sid {
		t.Errorf("process %s is in session %s", pid, sid)
	}
	if got[7] != "TCP 127.0.0.2 unset unset 0" {
		t.Errorf("environment %q", got[7])
	}
}

// -u, -g and -U give root up for good, with all its groups.
func TestIdentity(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	for flags, want := range map[string]string{
		"-u 65534 -g 65533": "65534 65533 65533",
		"-u 65534":          "65534 0 ",
		"-U":                "65532 65531 65531",
	} {
		t.Run(flags, func(t *testing.T) {
			cmd := command(t, append(strings.Fields("-1RHl0 "+flags), "127.0.0.1", "0", "sh", "-c", `echo "$(id -u) $(id -g) $(id -G)"`)...)
			cmd.Env = append(cmd.Env, "UID=65532", "GID=65531")
			if got := launch(t, cmd).visit("127.0.0.1", ""); !strings.HasPrefix(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// SIGTERM ends tcpserver with 0 and no session; SIGHUP, which the original
// does not catch, kills it.
func TestSignals(t *testing.T) {
	run.DefaultSignals() // even if nohup(1) runs the tests
	for sig, want := range map[syscall.Signal]syscall.WaitStatus{syscall.SIGTERM: 0, syscall.SIGHUP: syscall.WaitStatus(syscall.SIGHUP)} {
		t.Run(sig.String(), func(t *testing.T) {
			s := start(t, "-R", "cat")
			c := s.dial("127.0.0.1")
			io.WriteString(c, "a\n")
			r := bufio.NewReader(c)
			r.ReadString('\n')
			s.cmd.Process.Signal(sig)
			<-s.done
			if got := s.cmd.ProcessState.Sys().(syscall.WaitStatus); got != want {
				t.Errorf("ended with %#x, want %#x", got, want)
			}
			io.WriteString(c, "b\n")
			if line, err := r.ReadString('\n'); line != "b\n" {
				t.Errorf("the session ended: %q, %v", line, err)
			}
		})
	}
}

// HOST systemd: takes the sockets of that name.
func TestSystemdSocket(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	run := func(name string) *exec.Cmd {
		cmd := command(t, "-1RHl0", "systemd:", name, "sh", "-c", "echo in ${LISTEN_FDS-unset}")
		// LISTEN_PID must be tcpserver's own, which a shell that becomes it knows.
		cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ exec "$@"`, "sh", cmd.Path}, cmd.Args[1:]...)
		cmd.Path = "/bin/sh"
		cmd.Env = append(cmd.Env, "LISTEN_FDS=1", "LISTEN_FDNAMES=smtp")
		cmd.ExtraFiles = []*os.File{f}
		return cmd
	}
	s := launch(t, run("smtp"))
	if want := strconv.Itoa(l.Addr().(*net.TCPAddr).Port); s.port != want {
		t.Errorf("-1 printed %s, want %s", s.port, want)
	}
	if got := s.visit("127.0.0.1", ""); got != "in unset\n" {
		t.Errorf("got %q", got)
	}
	out, err := run("imap").CombinedOutput()
	if want := "tcpserver: fatal: no socket named \"imap\" was passed\n"; string(out) != want || err == nil {
		t.Errorf("got %q, %v", out, err)
	}
}

// A command line that makes no sense ends with 100, a socket that cannot be
// had with 111, each with its message.
func TestMistakes(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
	tests := []struct {
		args   string
		status int
		want   string
	}{
		{"", 100, "tcpserver: usage: "},
		{"0 25", 100, "tcpserver: usage: "},
		{"-z 0 25 true", 100, "tcpserver: illegal option -- z\ntcpserver: usage: "},
		{"-u nobody 0 0 true", 100, `tcpserver: -u "nobody": want a number`},
		{"-c 0 0 0 true", 100, `tcpserver: -c "0": want a number above 0`},
		{"--rate 5 0 0 true", 100, `tcpserver: --rate "5": want`},
		{"--per-source x 0 0 true", 100, `tcpserver: --per-source "x": want`},
		{"--log-format xml 0 0 true", 100, `tcpserver: --log-format "xml": want`},
		{"--rules dnsbl: 0 0 true", 100, `tcpserver: --rules "dnsbl:": want`},
		{"--rules dnsbl:z.example=9 0 0 true", 100, `tcpserver: --rules: "z.example=9": want codes`},
		{"--rules nosuch 127.0.0.1 0 true", 111, `tcpserver: fatal: "nosuch": want hosts`},
		{"--rules tcprules:/nonexistent 127.0.0.1 0 true", 111, "tcpserver: fatal: open /nonexistent: "},
		{"127.0.0.1 nosuchport true", 111, "tcpserver: fatal: unable to figure out port number for nosuchport\n"},
		{"127.0.0.1 " + taken + " true", 111, "tcpserver: fatal: unable to bind: address already used\n"},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			cmd := command(t, strings.Fields(tt.args)...)
			out, _ := cmd.CombinedOutput()
			if got := cmd.ProcessState.ExitCode(); got != tt.status || !strings.HasPrefix(string(out), tt.want) {
				t.Errorf("status %d, %q; want %d, %q", got, out, tt.status, tt.want)
			}
		})
	}
}
