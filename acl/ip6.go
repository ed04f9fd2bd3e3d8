package acl

import (
	"net/netip"
	"strconv"
)

// AppendIP6 appends a to b as ucspi-tcp-ipv6 writes an IPv6 address, in
// TCP6REMOTEIP and in the keys its rules are looked up by: the first longest
// run of zero groups is compressed even if it is a single group (RFC 5952
// would leave that one alone), an IPv4 address takes the mapped form
// ::ffff:192.0.2.7, and a zone is left out. An invalid address appends
// nothing.
func AppendIP6(b []byte, a netip.Addr) []byte {
	if !a.IsValid() {
		return b
	}
	if a.Is4() || a.Is4In6() {
		return a.Unmap().AppendTo(append(b, "::ffff:"...))
	}
	groups := ip6Groups(a)
	zero, n := longestZeroRun(groups)
	for i := 0; i < len(groups); i++ {
		if i == zero {
			b = append(b, "::"...)
			i += n - 1
			continue
		}
		if i > 0 && i != zero+n {
			b = append(b, ':')
		}
		b = strconv.AppendUint(b, uint64(groups[i]), 16)
	}
	return b
}

func ip6Groups(a netip.Addr) (groups [8]uint16) {
	bytes := a.As16()
	for i := range groups {
		groups[i] = uint16(bytes[2*i])<<8 | uint16(bytes[2*i+1])
	}
	return groups
}

// longestZeroRun returns where the first of the longest runs of zeros begins
// and how many there are; without any zero it begins past the end.
func longestZeroRun(groups [8]uint16) (start, n int) {
	start = len(groups)
	for i := 0; i < len(groups); i++ {
		run := 0
		for i+run < len(groups) && groups[i+run] == 0 {
			run++
		}
		if run > n {
			start, n = i, run
		}
		i += run
	}
	return start, n
}
