package lookup

import (
	"net/netip"
	"strings"
)

// A hostLine is one line of hosts(5): an address and its names, the first of
// which is canonical.
type hostLine struct {
	addr  netip.Addr
	names []string
}

// parseHostLine reads one line; ok is false for a comment, a blank line, and
// one without an address and a name.
func parseHostLine(line string) (h hostLine, ok bool) {
	line, _, _ = strings.Cut(line, "#")
	words := strings.Fields(line)
	if len(words) < 2 {
		return h, false
	}
	a, err := netip.ParseAddr(words[0])
	return hostLine{a, words[1:]}, err == nil
}

// in returns the address of the line as a query for one family sees it. To a
// query for IPv4 a mapped address is the IPv4 one, and ::1 is 127.0.0.1.
func (h hostLine) in(v4 bool) (netip.Addr, bool) {
	switch {
	case !v4:
		return h.addr, h.addr.Is6()
	case h.addr.Is6() && h.addr == netip.IPv6Loopback():
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), true
	}
	a := h.addr.Unmap()
	return a, a.Is4()
}

func (h hostLine) named(name string) bool {
	for _, n := range h.names {
		if strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}

// hostOf returns the canonical name of the first line for a.
func hostOf(src string, a netip.Addr) (string, error) {
	for line := range strings.Lines(src) {
		h, ok := parseHostLine(line)
		if !ok {
			continue
		}
		if got, ok := h.in(a.Is4()); ok && got == a {
			return h.names[0], nil
		}
	}
	return "", ErrAbsent
}

// addrsIn returns the canonical name and the addresses that name has in one
// family: of the first line that has the name, and if multi, of all of them.
func addrsIn(src, name string, v4, multi bool) (canonical string, addrs []netip.Addr, err error) {
	for line := range strings.Lines(src) {
		h, ok := parseHostLine(line)
		if !ok || !h.named(name) {
			continue
		}
		a, ok := h.in(v4)
		if !ok {
			continue
		}
		if addrs == nil {
			canonical = h.names[0]
		}
		addrs = append(addrs, a)
		if !multi {
			break
		}
	}
	if addrs == nil {
		return "", nil, ErrAbsent
	}
	return canonical, addrs, nil
}
