package reject_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"doorward/acl"
	"doorward/launcher/reject"

	"golang.org/x/sys/unix"
)

// A conversation is a client that has said everything already.
type conversation struct {
	io.Reader
	io.Writer
}

// say returns what SMTP answers to a client that says input and hangs up.
func say(input string, reply acl.Reply, o reject.Options) (string, error) {
	var out strings.Builder
	err := reject.SMTP(conversation{strings.NewReader(input), &out}, reply, o)
	return out.String(), err
}

var no = acl.Reply{Text: "no", Temporary: true}

// The answers are rblsmtpd's to the same input.
func TestSMTPDialogue(t *testing.T) {
	const hi, ok, no451, bye = "220 rblsmtpd.local\r\n", "250 rblsmtpd.local\r\n", "451 no\r\n", "221 rblsmtpd.local\r\n"
	tests := []struct{ input, want, why string }{
		{"", hi, "a client that only listens"},
		{"HELO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nNOOP\r\nRSET\r\nVRFY x\r\nEHLO y\r\nquit\r\n",
			hi + ok + ok + no451 + no451 + ok + ok + no451 + ok + bye, "a client in a hurry"},
		{"helo x\nquit\n", hi + ok + bye, "lines without CR"},
		{"HeLo x\r\nQuIt\r\n", hi + ok + bye, "any case"},
		{"HELO\r\n", hi + ok, "no argument"},
		{"HELO \r\r\n", hi + ok, "a CR in the argument"},
		{"helo\r\r\nquit\r\r\n", hi + no451 + no451, "a CR in the verb"},
		{"HELO\tx\r\nQUIT\r\n", hi + no451 + bye, "a tab is part of the verb"},
		{" HELO x\r\n", hi + no451, "a space before the verb"},
		{"EHLO:x\r\nRSETx\r\nHEL\r\n", hi + no451 + no451 + no451, "other verbs"},
		{"NO\x00OP\r\nNOOP\x00\r\n", hi + no451 + no451, "bytes no verb has"},
		{"\r\n\n", hi + no451 + no451, "empty lines"},
		{"HELO x", hi, "a command without an end is none"},
		{"HELO\r", hi, "nor with half an end"},
		{"QUIT x\r\nHELO\r\n", hi + bye, "nothing after QUIT"},
		{"EHLO x\r\nSTARTTLS\r\nAUTH LOGIN\r\nMAIL FROM:<>\r\nRCPT TO:<x>\r\nQUIT\r\n",
			hi + ok + no451 + no451 + ok + no451 + bye, "no extensions"},
		{"EHLO x\r\nMAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\nSubject: x\r\n\r\nbody\r\n.\r\nQUIT\r\n",
			hi + ok + ok + strings.Repeat(no451, 6) + bye, "a message sent without waiting"},
		{"HELO " + strings.Repeat("x", 5000) + "\r\n" + strings.Repeat("y", 5000) + "\r\nQUIT\r\n", hi + ok + no451 + bye, "long lines"},
		{"HELO " + strings.Repeat("x", 1019) + "\nQUIT\n", hi + ok + bye, "a line as long as the buffer"},
		{"HELO " + strings.Repeat("x", 1018) + "\nQUIT\n", hi + ok + bye, "a line that just fits"},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			got, err := say(tt.input, no, reject.Options{})
			if got != tt.want || err != nil {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestSMTPReplies(t *testing.T) {
	long := strings.Repeat("m", 600)
	tests := []struct {
		reply acl.Reply
		o     reject.Options
		want  string
	}{
		{acl.Reply{Text: "bye"}, reject.Options{AtOnce: true}, "553 bye\r\n"},
		{acl.Reply{Text: "later", Temporary: true}, reject.Options{AtOnce: true}, "451 later\r\n"},
		{acl.Reply{}, reject.Options{AtOnce: true}, "553 \r\n"}, // RBLSMTPD="-"
		{acl.Reply{Text: "a\r\n250 ok\x00\xe9"}, reject.Options{AtOnce: true}, "553 a??250 ok??\r\n"},
		{acl.Reply{Text: long}, reject.Options{AtOnce: true}, "553 " + long[:506] + "\r\n"},
		{acl.Reply{Text: "bye"}, reject.Options{Host: "mx.example.net"}, "220 mx.example.net\r\n250 mx.example.net\r\n553 bye\r\n221 mx.example.net\r\n"},
		{acl.Reply{Text: "bye"}, reject.Options{Host: "m x\r\n"}, "220 m?x??\r\n250 m?x??\r\n553 bye\r\n221 m?x??\r\n"},
	}
	for _, tt := range tests {
		got, err := say("HELO x\r\nRCPT TO:<a>\r\nQUIT\r\n", tt.reply, tt.o)
		if got != tt.want || err != nil {
			t.Errorf("%+v: got %q, %v; want %q", tt.reply, got, err, tt.want)
		}
	}
}

func TestSMTPReportsTheEnvelope(t *testing.T) {
	tests := []struct {
		input string
		want  []reject.Attempt
	}{
		{"HELO x\r\nMAIL FROM:<a@b>\r\nQUIT\r\n", nil}, // nothing was refused yet
		{"EHLO mx.example.net\r\nMAIL FROM:<a@b> SIZE=7\r\nRCPT TO:<c@d>\r\n", []reject.Attempt{{"mx.example.net", "a@b", "c@d"}}},
		{"RCPT TO:<c@d>\r\n", []reject.Attempt{{"", "", "c@d"}}},
		{"helo x\nmail from: a@b SIZE=1\nrcpt to:c@d\nrcpt to:<e@f>\n", []reject.Attempt{{"x", "a@b", "c@d"}, {"x", "a@b", "e@f"}}},
		{"HELO x\nMAIL FROM:<a@b>\nRSET\nRCPT TO:<c>\n", []reject.Attempt{{"x", "", "c"}}},
		{"HELO a b\x1b[2J\nMAIL FROM:<\xff\">\nRCPT \n", []reject.Attempt{{"a?b?[2J", "?\"", ""}}},
		{"HELO " + strings.Repeat("h", 300) + "\nRCPT TO:<>\n", []reject.Attempt{{strings.Repeat("h", 256), "", ""}}},
	}
	for _, tt := range tests {
		var got []reject.Attempt
		say(tt.input, no, reject.Options{Refused: func(a reject.Attempt) { got = append(got, a) }})
		if len(got) != len(tt.want) {
			t.Errorf("%q: got %q, want %q", tt.input, got, tt.want)
			continue
		}
		for i := range got {
			if got[i] != tt.want[i] {
				t.Errorf("%q: got %q, want %q", tt.input, got[i], tt.want[i])
			}
		}
	}
}

func TestSMTPLeavesWhoSaysTooMuch(t *testing.T) {
	reported := 0
	o := reject.Options{Refused: func(reject.Attempt) { reported++ }}
	out, err := say(strings.Repeat("RCPT TO:<x>\r\n", 5000), no, o)
	if n := strings.Count(out, "451 no\r\n"); err != reject.ErrTooMuch || n != 1000 || reported != 10 {
		t.Errorf("%v after %d commands, %d reported; want ErrTooMuch, 1000 and 10", err, n, reported)
	}
	out, err = say(strings.Repeat("x", 2<<20)+"\r\nQUIT\r\n", no, reject.Options{})
	if err != reject.ErrTooMuch || out != "220 rblsmtpd.local\r\n" {
		t.Errorf("a line of 2 MiB: %v, %q", err, out)
	}
}

// Commands sent in one piece are answered in one piece, one at a time at once.
func TestSMTPAnswersBeforeItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := net.Pipe()
		go func() { reject.SMTP(server, no, reject.Options{}); server.Close() }()
		expect := func(want string) {
			t.Helper()
			buf := make([]byte, 512)
			n, err := client.Read(buf)
			if string(buf[:n]) != want {
				t.Fatalf("got %q, %v; want %q", buf[:n], err, want)
			}
		}
		expect("220 rblsmtpd.local\r\n")
		io.WriteString(client, "HELO x\r\nMAIL FROM:<a>\r\nRCPT TO:<b>\r\nDA")
		expect("250 rblsmtpd.local\r\n250 rblsmtpd.local\r\n451 no\r\n")
		io.WriteString(client, "TA\r\n")
		expect("451 no\r\n")
		io.WriteString(client, "QUIT\r\n")
		expect("221 rblsmtpd.local\r\n")
	})
}

func TestSMTPEndsInTime(t *testing.T) {
	drip := func(c net.Conn) { // a byte a second, and never an end
		for {
			if _, err := c.Write([]byte("x")); err != nil {
				return
			}
			time.Sleep(time.Second)
		}
	}
	tests := []struct {
		name    string
		client  func(net.Conn)
		timeout time.Duration
		want    time.Duration
	}{
		{"a client that listens and is silent", func(c net.Conn) { io.Copy(io.Discard, c) }, 0, time.Minute},
		{"a client that does not even listen", func(net.Conn) {}, 0, time.Minute},
		{"a client that drips", func(c net.Conn) { go io.Copy(io.Discard, c); drip(c) }, 0, time.Minute},
		{"a client that drips and does not listen", drip, 0, time.Minute},
		{"a shorter time", func(c net.Conn) { io.Copy(io.Discard, c) }, 7 * time.Second, 7 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, client := net.Pipe()
				gone := make(chan bool)
				go func() { tt.client(client); close(gone) }()
				start := time.Now()
				err := reject.SMTP(server, no, reject.Options{Timeout: tt.timeout})
				if took := time.Since(start); took != tt.want || !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%v after %v, want the deadline after %v", err, took, tt.want)
				}
				server.Close()
				client.Close()
				<-gone
			})
		})
	}
}

func TestBannerEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := net.Pipe()
		start := time.Now()
		err := reject.Banner(server, "go away\n", 5*time.Second)
		if took := time.Since(start); took != 5*time.Second || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%v after %v", err, took)
		}
		server.Close()
		client.Close()
	})
	var out bytes.Buffer
	if err := reject.Banner(&out, "go away\x00\n", 0); err != nil || out.String() != "go away\x00\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}

// A raw socket gets a deadline too, and is closed with its file.
func TestDescriptorKnowsDeadlines(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	client := os.NewFile(uintptr(fds[1]), "client")
	defer client.Close()
	server, err := reject.Descriptor(fds[0])
	if err != nil {
		t.Fatal(err)
	}
	err = reject.SMTP(server, no, reject.Options{Timeout: 50 * time.Millisecond})
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v, want the deadline", err)
	}
	server.Close()
	if got, err := io.ReadAll(client); string(got) != "220 rblsmtpd.local\r\n" || err != nil {
		t.Errorf("client got %q, %v", got, err)
	}
	if _, err := reject.Descriptor(-1); err == nil {
		t.Error("-1 is no descriptor")
	}
}

func FuzzSMTP(f *testing.F) {
	f.Add("HELO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n.\r\nQUIT\r\n", "text", true)
	f.Add("EHLO \x00\xff\nRCPT TO:< >\n\n\r\n", "a\r\n250 ok", false)
	f.Add(strings.Repeat("x", 3000)+"\nquit\n", "", false)
	f.Fuzz(func(t *testing.T, input, text string, temporary bool) {
		var seen []reject.Attempt
		reply := acl.Reply{Text: text, Temporary: temporary}
		out, err := say(input, reply, reject.Options{Refused: func(a reject.Attempt) { seen = append(seen, a) }})
		if err != nil && err != reject.ErrTooMuch {
			t.Fatal(err)
		}
		lines := strings.Split(out, "\r\n")
		if lines[0] != "220 rblsmtpd.local" || lines[len(lines)-1] != "" {
			t.Fatalf("%q", out)
		}
		commands := strings.Split(input, "\n")
		for i, line := range lines[1 : len(lines)-1] {
			switch {
			case line == reject.Line(reply):
			case line == "221 rblsmtpd.local" && i == len(lines)-3:
			case line == "250 rblsmtpd.local" && !accepts(commands[i]):
			default:
				t.Fatalf("%q answered with %q", commands[i], line)
			}
			if len(line) > 510 || strings.ContainsFunc(line, func(c rune) bool { return c < ' ' || c > '~' }) {
				t.Fatalf("line %q", line)
			}
		}
		for _, a := range seen {
			if s := a.Helo + a.From + a.To; len(s) > 3*256 || strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' }) {
				t.Fatalf("reported %q", a)
			}
		}
	})
}

// accepts reports whether a yes to command would take a message, or a promise
// to, from the client.
func accepts(command string) bool {
	verb := strings.ToUpper(command[:min(4, len(command))])
	return verb != "HELO" && verb != "EHLO" && verb != "MAIL" && verb != "RSET" && verb != "NOOP"
}
