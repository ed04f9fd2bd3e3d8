package proxyproto

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"
)

// maxV1 is the longest line there is: UNKNOWN with two full IPv6 addresses, its
// CR and LF included.
const maxV1 = 107

// ParseV1 reads a header of version 1, a line of text:
//
//	PROXY TCP4 192.0.2.7 198.51.100.1 40001 25\r\n
func ParseV1(b []byte) (h Header, n int, err error) {
	if !begins(b, "PROXY ") {
		return h, 0, ErrMissing
	}
	line := b[:min(len(b), maxV1)]
	end := bytes.IndexByte(line, '\n')
	switch {
	case end < 0 && len(line) == maxV1:
		return h, 0, ErrLong
	case end < 0:
		return h, 0, ErrShort
	case line[end-1] != '\r':
		return h, 0, ErrSyntax
	}
	h, err = fieldsV1(strings.Split(string(line[len("PROXY "):end-1]), " "))
	return h, end + 1, err
}

// fieldsV1 reads what is between PROXY and the end of the line. Of UNKNOWN the
// rest is ignored.
func fieldsV1(f []string) (h Header, err error) {
	if f[0] == "UNKNOWN" {
		return h, nil
	}
	if len(f) != 5 || f[0] != "TCP4" && f[0] != "TCP6" {
		return h, ErrSyntax
	}
	v6 := f[0] == "TCP6"
	remote, ok1 := addr(f[1], v6)
	local, ok2 := addr(f[2], v6)
	from, ok3 := port(f[3])
	to, ok4 := port(f[4])
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return h, ErrSyntax
	}
	return Header{netip.AddrPortFrom(remote, from), netip.AddrPortFrom(local, to)}, nil
}

func addr(s string, v6 bool) (a netip.Addr, ok bool) {
	a, err := netip.ParseAddr(s)
	return a.Unmap(), err == nil && a.Is6() == v6 && a.Zone() == ""
}

// port reads a number without a sign or leading zeros.
func port(s string) (p uint16, ok bool) {
	n, err := strconv.ParseUint(s, 10, 16)
	return uint16(n), err == nil && strconv.FormatUint(n, 10) == s
}
