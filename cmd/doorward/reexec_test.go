package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// talker is a service that says its number and then waits for its client.
func talker(lines ...string) string {
	return strings.Replace(dumper("test", lines...), "DIR/dump.sh one two", "DIR/talk.sh", 1)
}

var talk = map[string]string{"talk.sh": "echo $$\nread line\necho got $line\nexit 7\n"}

// guest is a client in a session.
type guest struct {
	t *testing.T
	net.Conn
	pid string
}

func visit(t *testing.T, port string) *guest {
	t.Helper()
	c, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	g := &guest{t: t, Conn: c}
	g.pid = g.line()
	return g
}

// line reads up to the end of a line.
func (g *guest) line() string {
	g.t.Helper()
	g.SetDeadline(time.Now().Add(10 * time.Second))
	var line []byte
	for b := make([]byte, 1); ; line = append(line, b[0]) {
		if _, err := io.ReadFull(g, b); err != nil {
			g.t.Fatalf("got %q, %v", line, err)
		}
		if b[0] == '\n' {
			return string(line)
		}
	}
}

// end has the session end.
func (g *guest) end() {
	g.t.Helper()
	fmt.Fprintln(g, "bye")
	if got := g.line(); got != "got bye" {
		g.t.Errorf("got %q", got)
	}
	g.Close()
}

// waitForN waits until the log has text n times.
func (s *server) waitForN(text string, n int) {
	s.t.Helper()
	for end := time.Now().Add(10 * time.Second); strings.Count(s.logged(), text) < n; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("%q is not %d times in\n%s", text, n, s.logged())
		}
	}
}

// Sessions go through generations of doorward, which stays the same process:
// they count, they end as ever, and they are told of in the log.
func TestReexec(t *testing.T) {
	m := newServiceManager(t)
	s, port := start(t, talker("instances = 2"), talk)
	m.hear("READY=1")
	first := visit(t, port)
	for n := 1; n <= 3; n++ {
		s.signal(syscall.SIGUSR2)
		m.hear("RELOADING=1\nMONOTONIC_USEC=")
		m.hear("READY=1\nSTATUS=serving 1 service, 1 session running")
		s.waitForN("re-executed: took over 1 socket and 1 session", n)
	}
	second := visit(t, port)
	third, err := net.Dial("tcp", "127.0.0.1:"+port) // two are in, the older one of another generation
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	third.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := third.Read(make([]byte, 1)); n != 0 {
		t.Errorf("a third is let in: %d, %v", n, err)
	}
	first.end()
	s.waitFor(`test: 127\.0\.0\.1:\d+ allowed by default: pid ` + first.pid + `, exit 7`)
	third.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := third.Read(make([]byte, 1)); n != 1 {
		t.Errorf("nobody comes for who has waited: %v", err)
	}
	second.end()
	s.waitFor(`pid ` + second.pid + `, exit 7`)
	select {
	case <-s.done:
		t.Error("it ended")
	default:
	}
}

// A doorward that is told to stop waits for the sessions of those before it.
func TestStopAfterReexec(t *testing.T) {
	s, port := start(t, talker(), talk)
	g := visit(t, port)
	s.signal(syscall.SIGUSR2)
	s.waitFor("took over")
	s.waitForN("serving", 2)
	s.signal(syscall.SIGTERM)
	s.waitFor("waiting for 1 session")
	g.end()
	<-s.done
	if !s.cmd.ProcessState.Success() {
		t.Errorf("%v", s.cmd.ProcessState)
	}
	s.waitFor(`pid ` + g.pid + `, exit 7`)
}

// Whatever is wrong, everything goes on, and the log says what is wrong.
func TestReexecThatFails(t *testing.T) {
	s, port := prepare(t, talker(), talk)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s.command()
	copyFile(t, self, s.dir+"/doorward")
	s.cmd.Path = s.dir + "/doorward"
	s.launch()
	s.waitFor("serving")
	g := visit(t, port)

	good, err := os.ReadFile(s.dir + "/doorward.conf")
	if err != nil {
		t.Fatal(err)
	}
	s.write("doorward.conf", "service test {")
	s.signal(syscall.SIGUSR2)
	s.waitFor("not re-executed, all goes on as before: there are mistakes in configuration")
	s.write("doorward.conf", string(good))

	if err := os.Remove(s.dir + "/doorward"); err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGUSR2)
	s.waitFor("not re-executed, all goes on as before: .*execve: no such file")
	visit(t, port).end()
	g.end()
	s.waitFor(`pid ` + g.pid + `, exit 7`)

	copyFile(t, self, s.dir+"/doorward")
	s.signal(syscall.SIGUSR2)
	s.waitFor("re-executed: took over 1 socket and 0 sessions")
	visit(t, port).end()
}

// How often clients came, and whom a sensor met, is known to the next
// generation.
func TestReexecRemembers(t *testing.T) {
	tests := []struct{ name, line, log string }{
		{"rate", "rate = 1/h", `test: 127\.0\.0\.1:\d+ refused: connections from this source are too frequent`},
		{"cps", "cps = 1 3600", ""}, // a client waits in the kernel: nothing to be seen
		{"sensor", "", `test: 127\.0\.0\.1:\d+ denied by `},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			trap := freePort(t)
			sensor := strings.Replace(withoutProgram("trap", "type = INTERNAL UNLISTED", "flags = SENSOR", "deny_time = FOREVER"), "PORT", trap, 1)
			s, port := start(t, dumper("test", tt.line)+sensor, nil)
			mustDial(t, "127.0.0.1", "127.0.0.1:"+port)
			switch tt.name {
			case "sensor":
				dialFrom("127.0.0.1", "127.0.0.1:"+trap)
				s.waitFor("is kept out of every service")
			case "cps":
				mustDial(t, "127.0.0.1", "127.0.0.1:"+port)
				s.waitFor("more than 1 connections in a second")
			}
			for n := range 2 {
				s.signal(syscall.SIGUSR2)
				s.waitForN("re-executed: took over 2 sockets", n+1)
				s.waitForN("doorward: serving 2 services", n+2)
			}
			if tt.log != "" {
				dialFrom("127.0.0.1", "127.0.0.1:"+port)
				s.waitFor(tt.log)
				return
			}
			c, err := net.Dial("tcp", "127.0.0.1:"+port)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(300 * time.Millisecond))
			if n, err := c.Read(make([]byte, 1)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("served during the break: %v", err)
			}
		})
	}
}

// A refused client hears the end of its refusal, if it does not take for ever,
// and one that does holds nobody up for long.
func TestReexecWhileRefusing(t *testing.T) {
	zone := "dnsbl = zone.example\n\tdns = 127.0.0.1:" + listed(t)
	s, port := start(t, dumper("test", zone), nil)
	quick, slow := refusedTalk(t, port), refusedTalk(t, port)
	s.signal(syscall.SIGUSR2)
	time.Sleep(300 * time.Millisecond)
	fmt.Fprint(quick, "QUIT\r\n")
	if got := quick.line(); !strings.HasPrefix(got, "221 ") {
		t.Errorf("got %q", got)
	}
	s.waitFor("1 refused client cut off")
	s.waitFor("re-executed")
	slow.SetDeadline(time.Now().Add(10 * time.Second))
	if n, err := slow.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Errorf("got %d bytes, %v", n, err)
	}
}

// What doorward serves itself ends with it, and is spoken of; programs are not
// taken for that.
func TestReexecWhileServing(t *testing.T) {
	other := freePort(t)
	echo := strings.Replace(withoutProgram("echo", "type = INTERNAL UNLISTED"), "PORT", other, 1)
	s, port := start(t, talker()+echo, talk)
	g := visit(t, port)
	c, err := net.Dial("tcp", "127.0.0.1:"+other)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(c, "x")
	b := make([]byte, 2)
	if n, err := c.Read(b); n != 1 || err != nil {
		t.Fatalf("got %d bytes, %v", n, err)
	}
	s.signal(syscall.SIGUSR2)
	s.waitFor(`: 1 connection closed that doorward serves itself`)
	s.waitFor("re-executed: took over 2 sockets and 1 session")
	if n, err := c.Read(b); n > 0 || err == nil {
		t.Errorf("got %d bytes, %v", n, err)
	}
	g.end()
	s.waitFor("pid " + g.pid + ", exit 7")
	s.signal(syscall.SIGUSR2)
	s.waitFor("re-executed: took over 2 sockets and 0 sessions")
	if n := strings.Count(s.logged(), "serves itself"); n != 1 {
		t.Errorf("told %d times", n)
	}
}

// refusedTalk is a client that has been greeted, and will be told that it is
// refused.
func refusedTalk(t *testing.T, port string) *guest {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 3)}} // who is on the list
	c, err := d.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	g := &guest{t: t, Conn: c}
	if got := g.line(); !strings.HasPrefix(got, "220 ") {
		t.Fatalf("got %q", got)
	}
	return g
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o755); err != nil {
		t.Fatal(err)
	}
}

// A service that has gone leaves its sessions, through generations.
func TestReexecWithoutTheService(t *testing.T) {
	s, port := start(t, talker(), talk)
	g := visit(t, port)
	s.write("doorward.conf", dumper2(freePort(t), s.dir))
	s.waitFor("- test")
	for n := range 2 {
		s.signal(syscall.SIGUSR2)
		s.waitForN("re-executed: took over 1 socket and 1 session", n+1)
	}
	g.end()
	s.waitFor(`test: .*pid ` + g.pid + `, exit 7`)
}

// The program of wait = yes keeps its socket, through a successor that fails
// and one that does not: no other is started beside it.
func TestReexecWhileLent(t *testing.T) {
	config := strings.Replace(datagrams(), "/bin/dd\n", "/bin/sh\n", 1)
	config = strings.Replace(config, "bs=2000 count=1 of=DIR/got", "DIR/hold.sh", 1)
	s, port := prepare(t, config, map[string]string{"hold.sh": `dd bs=2000 count=1 of=/dev/null 2>/dev/null
echo started >>DIR/started
while ! [ -e DIR/go ]; do sleep 0.02; done
exit 7
`})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s.command()
	copyFile(t, self, s.dir+"/doorward")
	s.cmd.Path = s.dir + "/doorward"
	s.launch()
	s.waitFor("serving")
	started := func() int {
		b, _ := os.ReadFile(s.dir + "/started")
		return strings.Count(string(b), "started")
	}
	sendFrom(t, "127.0.0.1", "127.0.0.1:"+port, "first")
	for end := time.Now().Add(10 * time.Second); started() == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not started")
		}
	}
	if err := os.Remove(s.dir + "/doorward"); err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGUSR2)
	s.waitFor("not re-executed")
	copyFile(t, self, s.dir+"/doorward")
	s.signal(syscall.SIGUSR2)
	s.waitFor("re-executed: took over 1 socket and 1 session")
	sendFrom(t, "127.0.0.1", "127.0.0.1:"+port, "second")
	time.Sleep(200 * time.Millisecond)
	if n := started(); n != 1 {
		t.Errorf("%d programs on one socket", n)
	}
	s.write("go", "")
	s.waitFor(`test: 127\.0\.0\.1:\d+ allowed by default: pid \d+, exit 7`)
	s.waitForN("exit 7", 2) // the socket is back: the second datagram has started another
	if n := started(); n != 2 {
		t.Errorf("%d programs were started", n)
	}
}
