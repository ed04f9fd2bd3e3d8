package sock_test

import (
	"net/netip"
	"testing"

	"doorward/launcher/sock"
)

// A socket is one for the configuration it was opened with, and for no other.
func TestIsSaysWhichConfiguration(t *testing.T) {
	on := func(addr string, port uint16) netip.AddrPort {
		return netip.AddrPortFrom(netip.MustParseAddr(addr), port)
	}
	configs := []func(port uint16) sock.Config{
		func(p uint16) sock.Config { return sock.Config{Port: p} },
		func(p uint16) sock.Config { return sock.Config{Port: p, Family: sock.IPv4} },
		func(p uint16) sock.Config { return sock.Config{Port: p, Family: sock.IPv6} },
		func(p uint16) sock.Config { return sock.Config{Addr: on("127.0.0.1", p)} },
		func(p uint16) sock.Config { return sock.Config{Addr: on("127.0.0.2", p)} },
		func(p uint16) sock.Config { return sock.Config{Addr: on("127.0.0.1", p), Datagram: true} },
	}
	for i, config := range configs {
		l, err := sock.Listen(config(0))
		if err != nil || i == 0 && l.Addr().Addr().Is4() {
			t.Skip("needs IPv6: ", err)
		}
		defer l.Close()
		port := l.Addr().Port()
		for j, other := range configs {
			if got := l.Is(other(port)); got != (i == j) {
				t.Errorf("socket %d, configuration %d: %t", i, j, got)
			}
		}
		if l.Is(config(port + 1)) {
			t.Errorf("socket %d is one on another port", i)
		}
	}
}
