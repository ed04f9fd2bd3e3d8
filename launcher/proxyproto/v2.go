package proxyproto

import (
	"encoding/binary"
	"hash/crc32"
	"net/netip"
)

const (
	signature = "\r\n\r\n\x00\r\nQUIT\n"
	fixedV2   = len(signature) + 4 // version and command, family, two bytes of length

	// MaxV2 is how long a header of version 2 may be here, all of it. The
	// longest that HAProxy writes has certificates in it and stays below.
	MaxV2 = 4096
)

// Commands and families of version 2.
const (
	local = 0x20 // the proxy's own connection, such as a health check
	proxy = 0x21

	unspecified = 0x00
	tcp4        = 0x11
	tcp6        = 0x21
	unixStream  = 0x31
)

// addresses is how many bytes of addresses and ports each family has.
var addresses = map[byte]int{unspecified: 0, tcp4: 12, tcp6: 36, unixStream: 216}

// ParseV2 reads a header of version 2, which is binary: a signature, the
// version and a command, the family, the length of the rest, addresses, and
// further fields of a type, a length and a value each.
func ParseV2(b []byte) (h Header, n int, err error) {
	switch {
	case !begins(b, signature):
		return h, 0, ErrMissing
	case len(b) < fixedV2:
		return h, 0, ErrShort
	}
	command, family := b[12], b[13]
	n = fixedV2 + int(binary.BigEndian.Uint16(b[14:]))
	size, ok := addresses[family]
	switch {
	case command != local && command != proxy:
		return h, 0, ErrSyntax
	case n > MaxV2:
		return h, 0, ErrLong
	case command == proxy && (!ok || n < fixedV2+size):
		return h, 0, ErrSyntax
	case len(b) < n:
		return h, 0, ErrShort
	}
	if command == local {
		return h, n, nil // whatever else it says does not count
	}
	if err := fields(b[:n], fixedV2+size); err != nil {
		return h, 0, err
	}
	return addressesV2(family, b[fixedV2:n]), n, nil
}

func addressesV2(family byte, b []byte) (h Header) {
	var size int
	switch family {
	case tcp4:
		size = 4
	case tcp6:
		size = 16
	default:
		return h
	}
	remote, _ := netip.AddrFromSlice(b[:size])
	local, _ := netip.AddrFromSlice(b[size : 2*size])
	ports := b[2*size:]
	h.Remote = netip.AddrPortFrom(remote.Unmap(), binary.BigEndian.Uint16(ports))
	h.Local = netip.AddrPortFrom(local.Unmap(), binary.BigEndian.Uint16(ports[2:]))
	return h
}

// checksum is the type of the field with the CRC32c of the header, in which
// the field's value counts as zero.
const checksum = 0x03

// fields looks through the fields of a whole header from offset on: they must
// fill it, and a checksum must be right.
func fields(b []byte, offset int) error {
	for offset < len(b) {
		if len(b)-offset < 3 {
			return ErrSyntax
		}
		kind, value := b[offset], offset+3
		size := int(binary.BigEndian.Uint16(b[offset+1:]))
		if size > len(b)-value {
			return ErrSyntax
		}
		if kind == checksum && (size != 4 || !sumIs(b, value)) {
			return ErrSum
		}
		offset = value + size
	}
	return nil
}

func sumIs(b []byte, at int) bool {
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Update(0, table, b[:at])
	sum = crc32.Update(sum, table, make([]byte, 4))
	sum = crc32.Update(sum, table, b[at+4:])
	return sum == binary.BigEndian.Uint32(b[at:])
}
