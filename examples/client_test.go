package examples_test

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A client is one SMTP session.
type client struct {
	conn net.Conn
	r    *bufio.Reader
}

// dial connects from an address to a server, and waits for it to come up.
func dial(t *testing.T, from, to string) *client {
	t.Helper()
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := dialer.Dial("tcp", to)
		if err == nil {
			conn.SetDeadline(time.Now().Add(30 * time.Second))
			t.Cleanup(func() { conn.Close() })
			return &client{conn, bufio.NewReader(conn)}
		}
		if time.Now().After(end) {
			t.Fatalf("%s to %s: %v", from, to, err)
		}
	}
}

// reply returns the last line of a reply, without CR LF; "closed" if the server
// said nothing and went.
func (c *client) reply() string {
	for {
		line, err := c.r.ReadString('\n')
		switch {
		case line == "" && err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
			return "closed"
		case err != nil:
			return "cut off: " + line + err.Error()
		case len(line) > 3 && line[3] == '-':
			continue
		}
		return strings.TrimRight(line, "\r\n")
	}
}

func (c *client) ask(command string) string {
	io.WriteString(c.conn, command+"\r\n")
	return c.reply()
}

// rcpt tells what becomes of a recipient offered by a client: the first reply
// that is no success, else the reply to RCPT.
func rcpt(t *testing.T, from, to, recipient string) string {
	t.Helper()
	c := dial(t, from, to)
	defer c.conn.Close()
	if greeting := c.reply(); !strings.HasPrefix(greeting, "220") {
		return greeting
	}
	for _, s := range []string{"HELO client", "MAIL FROM:<a@example.org>"} {
		if r := c.ask(s); !strings.HasPrefix(r, "250") {
			return r
		}
	}
	r := c.ask("RCPT TO:<" + recipient + ">")
	c.ask("QUIT")
	return r
}

// send sends a message to a recipient.
func send(t *testing.T, from, to, recipient, text string) {
	t.Helper()
	c := dial(t, from, to)
	defer c.conn.Close()
	c.reply()
	for _, s := range []string{"HELO client", "MAIL FROM:<a@example.org>", "RCPT TO:<" + recipient + ">", "DATA", text + "\r\n."} {
		if r := c.ask(s); !strings.HasPrefix(r, "250") && !strings.HasPrefix(r, "354") {
			t.Fatalf("%s to %s: %q: %q", from, to, s, r)
		}
	}
	c.ask("QUIT")
}

// Cases of who may send where. The first word of the reply is what counts.
type try struct{ from, to, recipient, want string }

func tryAll(t *testing.T, tries []try) {
	t.Helper()
	for _, tt := range tries {
		got := rcpt(t, tt.from, tt.to, tt.recipient)
		if !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s, %s to %s: got %q, want %q", tt.from, tt.recipient, tt.to, got, tt.want)
		}
	}
}

// texts returns the text of every file that matches pattern.
func texts(t *testing.T, pattern string) (list []string) {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		text, err := os.ReadFile(n)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // a process that has ended meanwhile
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, string(text))
	}
	return list
}

// start starts a program that the end of the test stops, with our programs
// first in PATH. Its log is shown if the test fails.
func start(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	cmd.Dir = files
	log, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Process.Kill()
		cmd.Wait()
		text, _ := os.ReadFile(log.Name())
		log.Close()
		if t.Failed() {
			t.Logf("log of %s:\n%s", cmd, text)
		}
	})
	return cmd
}

// eventually waits for something to become true.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 5 s: %s", what)
		}
	}
}
