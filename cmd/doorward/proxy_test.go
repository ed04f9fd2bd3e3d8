package main

import (
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

// proxy_protocol: the daemon knows its client by the header, and by nothing
// else.
func TestProxyProtocol(t *testing.T) {
	s, port := start(t, dumper("test", "proxy_protocol = 127.0.0.1", "relay_from = 192.0.2.0/24", "no_access = 192.0.2.66"), nil)
	say := func(from, header string) string {
		t.Helper()
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		c, err := d.Dial("tcp", "127.0.0.1:"+port)
		if errors.Is(err, syscall.ECONNRESET) {
			return "" // who is turned away may be so before connect returns
		}
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(10 * time.Second))
		c.Write([]byte(header))
		c.(*net.TCPConn).CloseWrite()
		var b strings.Builder
		buf := make([]byte, 4096)
		for {
			n, err := c.Read(buf)
			b.Write(buf[:n])
			if err != nil {
				return b.String()
			}
		}
	}
	env := strings.Join(sections(say("127.0.0.1", "PROXY TCP4 192.0.2.7 198.51.100.1 40001 25\r\n"))["env"], "\n")
	for _, want := range []string{"TCPREMOTEIP=192.0.2.7", "TCPREMOTEPORT=40001", "TCPLOCALIP=198.51.100.1", "TCPLOCALPORT=25",
		"REMOTE_HOST=192.0.2.7", "RELAYCLIENT="} {
		if !strings.Contains("\n"+env+"\n", "\n"+want+"\n") {
			t.Errorf("no %s in\n%s", want, env)
		}
	}
	if got := say("127.0.0.1", "PROXY TCP4 192.0.2.66 198.51.100.1 40001 25\r\n"); got != "" {
		t.Errorf("a client that no_access keeps out got %q", got)
	}
	if got := say("127.0.0.2", "PROXY TCP4 192.0.2.7 198.51.100.1 40001 25\r\n"); got != "" {
		t.Errorf("who is no proxy got %q", got)
	}
	s.waitFor(`test: 192\.0\.2\.7:40001 allowed by default, may relay: pid \d+, exit 0`)
	s.waitFor(`test: 192\.0\.2\.66:40001 denied by .*doorward.conf:\d+`)
	s.waitFor(`test: 127\.0\.0\.2:\d+ refused: not one of the proxies`)
}
