package sock

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// Is reports whether l is the socket that Listen would open for c, so that it
// can be used in its place: it has the address and the kind, and takes clients
// of the same families.
func (l *Listener) Is(c Config) bool {
	want := c.address()
	if l.datagram != c.Datagram {
		return false
	}
	if l.addr == want {
		return want.Addr().Is4() || l.only6() == (c.Family == IPv6)
	}
	return !c.Addr.IsValid() && c.Family == Any && l.addr == netip.AddrPortFrom(netip.IPv4Unspecified(), c.Port) && !haveIPv6()
}

// haveIPv6 reports whether Listen does not have to fall back to IPv4.
func haveIPv6() bool {
	l, err := Listen(Config{})
	if err != nil {
		return true
	}
	defer l.Close()
	return l.addr.Addr().Is6()
}

// only6 reports whether a socket on an IPv6 address takes no IPv4 clients.
func (l *Listener) only6() bool {
	only := 0
	l.raw.Control(func(fd uintptr) { only, _ = unix.GetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_V6ONLY) })
	return only == 1
}
