package main

import (
	"io"
	"net"
	"os"
	"strings"
	"testing"
)

// withoutProgram is a service for which doorward starts nothing.
func withoutProgram(name string, lines ...string) string {
	if os.Getuid() == 0 {
		lines = append(lines, "user = root")
	}
	return "service " + name + "\n{\n\tsocket_type = stream\n\twait = no\n\tport = PORT\n\t" + strings.Join(lines, "\n\t") + "\n}\n"
}

func TestInternal(t *testing.T) {
	s, port := start(t, withoutProgram("echo", "type = INTERNAL UNLISTED", "per_source = 1"), map[string]string{"hosts.deny": "echo: 127.0.0.3\n"})
	c, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "hello")
	b := make([]byte, 5)
	if _, err := io.ReadFull(c, b); string(b) != "hello" {
		t.Errorf("got %q, %v", b, err)
	}
	if got, _ := dialFrom("127.0.0.1", "127.0.0.1:"+port); got != "" { // per_source
		t.Errorf("the second one got %q", got)
	}
	s.waitFor(`echo: 127\.0\.0\.1:\d+ refused: too many connections from this address`)
	if got, _ := dialFrom("127.0.0.3", "127.0.0.1:"+port); got != "" {
		t.Errorf("denied, got %q", got)
	}
	s.waitFor(`echo: 127\.0\.0\.3:\d+ denied by .*hosts\.deny:1`)
	c.Close()
	s.waitFor(`echo: 127\.0\.0\.1:\d+ allowed by default: served after `)
}

func TestRedirect(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, backend, _ := net.SplitHostPort(l.Addr().String())
	s, port := start(t, withoutProgram("test", "type = UNLISTED", "redirect = 127.0.0.1 "+backend, "max_session = 1h"), nil)
	go func() {
		if c, err := l.Accept(); err == nil {
			defer c.Close()
			b, _ := io.ReadAll(c) // until the client has ended its side
			c.Write(append([]byte("heard "), b...))
		}
	}()
	c, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "hello")
	c.(*net.TCPConn).CloseWrite()
	if b, err := io.ReadAll(c); string(b) != "heard hello" {
		t.Errorf("got %q, %v", b, err)
	}
	l.Close()
	if got, _ := dialFrom("127.0.0.1", "127.0.0.1:"+port); got != "" {
		t.Errorf("nobody there, got %q", got)
	}
	s.waitFor(`test: 127\.0\.0\.1:\d+ allowed by default: served after .*connection refused`)
}

// Whoever connects to a sensor is kept out of every service, at once.
func TestSensor(t *testing.T) {
	trap := freePort(t)
	sensor := strings.Replace(withoutProgram("trap", "type = INTERNAL UNLISTED", "flags = SENSOR", "deny_time = 1", "no_access = 127.0.0.4"), "PORT", trap, 1)
	s, port := start(t, dumper("test")+sensor, nil)
	mustDial(t, "127.0.0.3", "127.0.0.1:"+port)
	dialFrom("127.0.0.3", "127.0.0.1:"+trap)
	dialFrom("127.0.0.4", "127.0.0.1:"+trap) // whom the rules keep out of the sensor itself is not met
	s.waitFor(`trap: 127\.0\.0\.3:\d+ is kept out of every service for 1m0s`)
	if got, _ := dialFrom("127.0.0.3", "127.0.0.1:"+port); got != "" {
		t.Errorf("got %q", got)
	}
	s.waitFor(`test: 127\.0\.0\.3:\d+ denied by .*doorward\.conf:\d+`)
	mustDial(t, "127.0.0.4", "127.0.0.1:"+port)
}

// Without an ident server there is no client that IDONLY lets in.
func TestIDOnly(t *testing.T) {
	s, port := start(t, dumper("test", "flags = IDONLY", "decide_timeout = 1s",
		"log_type = FILE DIR/test.log", "log_on_failure = HOST USERID"), nil)
	if got, _ := dialFrom("127.0.0.8", "127.0.0.1:"+port); got != "" {
		t.Errorf("got %q", got)
	}
	s.waitFor(`test: 127\.0\.0\.8:\d+ denied by .*doorward\.conf:\d+`)
	waitForFile(t, s.dir+"/test.log", `^\S+: NOID: test 127\.0\.0\.8 no server\n$`)
}
