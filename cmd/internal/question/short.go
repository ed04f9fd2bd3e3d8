package question

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"
)

// shortAddr reads an IPv4 address in the forms of inet_aton(3) that are not
// the usual one: fewer than four numbers, of which the last fills what is left
// (127.1), and octal and hexadecimal ones (0177.0.0.1, 0x7f000001).
func shortAddr(word string) (netip.Addr, bool) {
	parts := strings.Split(word, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var n uint64
	for i, part := range parts {
		bits := 8
		if i == len(parts)-1 {
			bits = 8 * (4 - i)
		}
		v, ok := cNumber(part, bits)
		if !ok {
			return netip.Addr{}, false
		}
		n = n<<bits | v
	}
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(n))
	return netip.AddrFrom4(b), true
}

// cNumber reads a number as C writes it: 0x begins a hexadecimal, 0 an octal
// one.
func cNumber(s string, bits int) (uint64, bool) {
	base := 10
	switch {
	case len(s) > 2 && (s[:2] == "0x" || s[:2] == "0X"):
		s, base = s[2:], 16
	case len(s) > 1 && s[0] == '0':
		base = 8
	}
	n, err := strconv.ParseUint(s, base, bits)
	return n, err == nil
}
