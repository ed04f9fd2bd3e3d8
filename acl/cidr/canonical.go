package cidr

import (
	"errors"
	"net/netip"
)

var errInvalid = errors.New("not a valid prefix")

// Canonical returns the one way to write the set of addresses that p stands
// for: without host bits, and an IPv4-mapped prefix as the IPv4 prefix it
// carries. The error is for a p that is not valid, such as the zero Prefix or
// one of more bits than its address has.
//
// There is no zone to refuse: netip.PrefixFrom drops it and netip.ParsePrefix
// does not accept it.
func Canonical(p netip.Prefix) (netip.Prefix, error) {
	if !p.IsValid() {
		return netip.Prefix{}, errInvalid
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}

// canonicalAddr does for a client's address what Canonical does for prefixes.
// A link-local client is looked up without the name of its interface.
func canonicalAddr(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }
