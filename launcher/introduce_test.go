package launcher_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"doorward/acl"
	"doorward/acl/cidr"
	"doorward/launcher"
	"doorward/launcher/journal"
)

// behindProxies is a service that repeats who its client is and what it says.
func behindProxies(policy acl.Policy) *launcher.Service {
	proxies := cidr.New[struct{}]()
	proxies.Insert(netip.MustParsePrefix("127.0.0.1/32"), struct{}{})
	return &launcher.Service{Name: "t", Proxies: proxies, Policy: policy,
		Program: shell(`read line; echo "$TCPREMOTEIP $TCPREMOTEPORT to $TCPLOCALIP $TCPLOCALPORT: $line"`)}
}

// talkFrom connects from an address, sends what is said, in pieces, and returns what
// comes back until the end, and how it ended.
func (h *house) talkFrom(from string, pieces ...string) (string, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.Dial("tcp", h.addr)
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(15 * time.Second))
	for _, p := range pieces {
		io.WriteString(c, p)
		time.Sleep(10 * time.Millisecond)
	}
	b, err := io.ReadAll(c)
	return string(b), err
}

const v2header = "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\xc6\x33\x64\x01\x9c\x41\x00\x19"

// The rules and the program know the client by the header, and the program
// reads the first byte behind it.
func TestProxyHeader(t *testing.T) {
	seen := make(chan netip.Addr, 100)
	h := open(t, behindProxies(acl.Func(func(r *acl.Request) acl.Decision {
		seen <- r.Remote.Addr()
		seen <- r.Local.Addr()
		return acl.Decision{}
	})), launcher.Limits{})
	const known = "192.0.2.7 40001 to 198.51.100.1 25: EHLO\n"
	for _, pieces := range [][]string{
		{"PROXY TCP4 192.0.2.7 198.51.100.1 40001 25\r\nEHLO\n"},
		{"PROXY TCP4 192.0.2.7 198.51", ".100.1 40001 25\r", "\n", "EHLO\n"},
		{"P", "ROXY TCP4 192.0.2.7 198.51.100.1 40001 25\r\nEH", "LO\n"},
		{v2header + "EHLO\n"},
		{v2header[:3], v2header[3:20], v2header[20:], "EHLO\n"},
	} {
		if got, err := h.talkFrom("127.0.0.1", pieces...); got != known || err != nil {
			t.Errorf("%q: got %q, %v", pieces, got, err)
		}
	}
	for range len(seen) / 2 {
		if remote, local := <-seen, <-seen; remote != netip.MustParseAddr("192.0.2.7") || local != netip.MustParseAddr("198.51.100.1") {
			t.Errorf("the rules saw %v to %v", remote, local)
		}
	}
	for _, own := range []string{"PROXY UNKNOWN x\r\nEHLO\n", "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00EHLO\n"} {
		if got, err := h.talkFrom("127.0.0.1", own); !strings.HasPrefix(got, "127.0.0.1 ") || !strings.HasSuffix(got, ": EHLO\n") || err != nil {
			t.Errorf("%q: got %q, %v", own, got, err)
		}
	}
}

// Whatever is sent in place of a header, there is no program, no rule is
// asked, and it is over in time.
func TestProxyAbuse(t *testing.T) {
	h := open(t, behindProxies(acl.Func(func(r *acl.Request) acl.Decision {
		t.Errorf("decided about %v", r.Remote)
		return acl.Decision{}
	})), launcher.Limits{})
	endless := make([]string, 40)
	for i := range endless {
		endless[i] = "PROXY TCP4 "
	}
	t.Run("group", func(t *testing.T) {
		for _, tt := range []struct {
			what, from string
			within     time.Duration
			pieces     []string
		}{
			{"no header", "127.0.0.1", time.Second, []string{"EHLO mx.example.net\r\n"}},
			{"nothing at all", "127.0.0.1", 6 * time.Second, nil},
			{"half a header", "127.0.0.1", 6 * time.Second, []string{"PROXY TCP4 192.0.2.7 "}},
			{"an endless header", "127.0.0.1", 6 * time.Second, endless},
			{"a length that is not there", "127.0.0.1", 6 * time.Second, []string{"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x0f\xf0" + strings.Repeat("x", 3000)}},
			{"a length beyond all", "127.0.0.1", time.Second, []string{"\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff" + strings.Repeat("x", 65535)}},
			{"a length too short", "127.0.0.1", time.Second, []string{"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x02xx"}},
			{"a header of somebody else", "127.0.0.2", time.Second, []string{"PROXY TCP4 192.0.2.7 198.51.100.1 40001 25\r\nEHLO\n"}},
			{"somebody else, silent", "127.0.0.2", time.Second, nil},
		} {
			t.Run(tt.what, func(t *testing.T) {
				t.Parallel()
				start := time.Now()
				got, _ := h.talkFrom(tt.from, tt.pieces...)
				if d := time.Since(start) - time.Duration(len(tt.pieces))*11*time.Millisecond; got != "" || d > tt.within {
					t.Errorf("got %q after %v", got, d)
				}
			})
		}
	})
	h.waitFor(journal.Refused)
	for end := time.Now().Add(time.Second); ; time.Sleep(10 * time.Millisecond) {
		n, _ := h.port.Gate.Running()
		if n == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d still have a place", n)
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.events {
		if e.Kind != journal.Refused || e.Err == nil {
			t.Errorf("got %+v", e)
		}
	}
}

// Limits of a source are those of the client, not of the proxy.
func TestProxyLimits(t *testing.T) {
	h := open(t, behindProxies(nil), launcher.Limits{PerSource: 1})
	dial := func(client string) net.Conn {
		c := h.dial()
		t.Cleanup(func() { c.Close() })
		fmt.Fprintf(c, "PROXY TCP4 %s 198.51.100.1 40001 25\r\n", client)
		return c
	}
	first, second := dial("192.0.2.1"), dial("192.0.2.2")
	for range 200 {
		if h.port.Gate.Sources() == 2 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if n, _ := h.port.Gate.Running(); n != 2 || h.port.Gate.Sources() != 2 {
		t.Errorf("%d of %d sources", n, h.port.Gate.Sources())
	}
	again := dial("192.0.2.1")
	if b, err := io.ReadAll(again); len(b) > 0 || err == nil {
		t.Errorf("a second session of a client got %q, %v", b, err)
	}
	h.waitFor(journal.Refused)
	h.mu.Lock()
	e := h.events[len(h.events)-1]
	h.mu.Unlock()
	if !errors.Is(e.Err, launcher.ErrSource) || e.Remote.Addr() != netip.MustParseAddr("192.0.2.1") {
		t.Errorf("got %+v", e)
	}
	for _, c := range []net.Conn{first, second} {
		io.WriteString(c, "EHLO\n")
		if b, err := io.ReadAll(c); !strings.HasSuffix(string(b), "EHLO\n") || err != nil {
			t.Errorf("got %q, %v", b, err)
		}
	}
}

// A client whose header has been read, or is on its way, goes over to the next
// generation as who it is.
func TestProxySuccession(t *testing.T) {
	deciding := make(chan bool)
	old := generate(t, behindProxies(acl.Func(func(*acl.Request) acl.Decision {
		deciding <- true
		<-deciding
		return acl.Decision{}
	})), launcher.Limits{})
	read := old.dial()
	io.WriteString(read, "PROXY TCP4 192.0.2.7 198.51.100.1 40001 25\r\n")
	<-deciding
	coming := old.dial()
	io.WriteString(coming, "PROXY TCP4 192.0.2.8 198")
	time.Sleep(50 * time.Millisecond)
	old.stop()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	sessions, lost := old.server.Freeze(ctx)
	if len(sessions) != 2 || lost != 0 {
		t.Fatalf("got %d, lost %d", len(sessions), lost)
	}
	next := generate(t, behindProxies(nil), launcher.Limits{})
	for _, s := range sessions {
		s = through(t, s)
		s.Port = &next.port
		next.server.Adopt(s)
	}
	io.WriteString(coming, ".51.100.1 40001 25\r\n")
	for c, want := range map[net.Conn]string{read: "192.0.2.7", coming: "192.0.2.8"} {
		io.WriteString(c, "EHLO\n")
		b, err := io.ReadAll(c)
		if string(b) != want+" 40001 to 198.51.100.1 25: EHLO\n" || err != nil {
			t.Errorf("got %q, %v", b, err)
		}
	}
}
