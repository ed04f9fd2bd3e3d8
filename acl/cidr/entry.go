package cidr

import (
	"cmp"
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
)

// An entry is a prefix and the index of its first value. It has no pointers,
// so the garbage collector passes over a million of them.
type entry struct {
	addr [16]byte // IPv4: the first four
	bits uint8
	is4  bool
	part uint8 // of a table that is being built
	i    uint32
}

// newEntry takes a canonical prefix.
func newEntry(p netip.Prefix, i uint32) entry {
	e := entry{bits: uint8(p.Bits()), is4: p.Addr().Is4(), i: i}
	if e.is4 {
		b := p.Addr().As4()
		copy(e.addr[:], b[:])
	} else {
		e.addr = p.Addr().As16()
	}
	return e
}

// bucket spreads shards evenly (Fibonacci hashing).
func (e *entry) bucket() uint32 { return shard(e.prefix().Addr()) * 2654435769 >> 20 }

func (e *entry) prefix() netip.Prefix {
	a := netip.AddrFrom16(e.addr)
	if e.is4 {
		a = netip.AddrFrom4([4]byte(e.addr[:4]))
	}
	return netip.PrefixFrom(a, int(e.bits))
}

// samePrefix reports whether e and o differ in nothing but the index.
func (e *entry) samePrefix(o *entry) bool {
	return e.addr == o.addr && e.bits == o.bits && e.is4 == o.is4
}

// compare orders entries by family, address, length and index: equal prefixes
// are neighbours and a shorter prefix comes before those it contains. Addresses
// are compared as numbers, which takes half the time of bytes.
func compare(a, b entry) int {
	if a.is4 != b.is4 {
		if a.is4 {
			return -1
		}
		return +1
	}
	if a, b := a.high(), b.high(); a != b {
		return cmp.Compare(a, b)
	}
	if a, b := a.low(), b.low(); a != b {
		return cmp.Compare(a, b)
	}
	if a.bits != b.bits {
		return cmp.Compare(a.bits, b.bits)
	}
	return cmp.Compare(a.i, b.i)
}

// high and low are the halves of the address.
func (e *entry) high() uint64 { return binary.BigEndian.Uint64(e.addr[:8]) }
func (e *entry) low() uint64  { return binary.BigEndian.Uint64(e.addr[8:]) }

// Network implements cidranger.RangerEntry. The trie calls it while inserting
// and keeps the slices: they point into the entry itself and into a table of
// masks, which spares each of a million prefixes two allocations.
func (e *entry) Network() net.IPNet {
	if e.is4 {
		return net.IPNet{IP: e.addr[:4:4], Mask: masks4()[e.bits]}
	}
	return net.IPNet{IP: e.addr[:], Mask: masks6()[e.bits]}
}

// Made when they are needed: tcpd, which starts for each connection, has no
// table.
var (
	masks4 = sync.OnceValue(func() []net.IPMask { return masks(32) })
	masks6 = sync.OnceValue(func() []net.IPMask { return masks(128) })
)

func masks(bits int) []net.IPMask {
	ms := make([]net.IPMask, bits+1)
	for ones := range ms {
		ms[ones] = net.CIDRMask(ones, bits)
	}
	return ms
}
