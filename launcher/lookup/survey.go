package lookup

import (
	"context"
	"errors"
	"net/netip"
	"slices"
)

// Addrs returns the official name and all addresses of a host, as
// getaddrinfo(3) with AI_CANONNAME finds them, IPv6 first. It is for programs
// that look at rules: no client has anything to do with it. The error is
// ErrAbsent, or why there is no telling.
func (s System) Addrs(ctx context.Context, name string) (official string, addrs []netip.Addr, err error) {
	official6, addrs6, err6 := s.addrsOf(ctx, name, false)
	official4, addrs4, err4 := s.addrsOf(ctx, name, true)
	switch {
	case err6 != nil && err4 != nil && errors.Is(err4, ErrAbsent):
		return "", nil, err6 // which may be for want of an answer
	case err6 != nil && err4 != nil:
		return "", nil, err4
	case err6 != nil:
		return official4, addrs4, nil
	}
	return official6, slices.Concat(addrs6, addrs4), nil
}

// HasNetgroup reports whether there is a netgroup of that name with anybody in
// it.
func (s System) HasNetgroup(group string) bool {
	g := groups{lines: netgroupLines(read(s.Netgroup, "/etc/netgroup")), seen: map[string]bool{}}
	return g.any(group, func(string) bool { return true })
}
