package lookup

import (
	"net/netip"
	"strconv"
)

// ReverseName returns the name under which DNS keeps the names of an address:
// the octets (RFC 1035, 3.5) or nibbles (RFC 3596, 2.5) in reverse. A zone is
// left out.
func ReverseName(a netip.Addr) string {
	if a = a.Unmap(); a.Is4() {
		b := make([]byte, 0, len("255.255.255.255.in-addr.arpa"))
		octets := a.As4()
		for i := len(octets) - 1; i >= 0; i-- {
			b = append(strconv.AppendUint(b, uint64(octets[i]), 10), '.')
		}
		return string(append(b, "in-addr.arpa"...))
	}
	const hex = "0123456789abcdef"
	b := make([]byte, 0, 64+len("ip6.arpa"))
	octets := a.As16()
	for i := len(octets) - 1; i >= 0; i-- {
		b = append(b, hex[octets[i]&15], '.', hex[octets[i]>>4], '.')
	}
	return string(append(b, "ip6.arpa"...))
}
