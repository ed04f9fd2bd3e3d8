package cidr

import (
	"encoding/binary"
	"net"
	"net/netip"

	"github.com/yl2chen/cidranger"
)

// shardBits is the number of leading bits that choose the shard of a.
func shardBits(a netip.Addr) int {
	if a.Is4() {
		return 16
	}
	return 32
}

// shard numbers the trie for a. An IPv4 shard may have the number of an IPv6
// one: they then share a trie, which keeps the families apart.
func shard(a netip.Addr) uint32 {
	if a.Is4() {
		b := a.As4()
		return uint32(binary.BigEndian.Uint16(b[:]))
	}
	b := a.As16()
	return binary.BigEndian.Uint32(b[:])
}

// A trie maps canonical prefixes to indexes. A nil trie is empty.
type trie struct{ r cidranger.Ranger }

func newTrie() *trie { return &trie{cidranger.NewPCTrieRanger()} }

// entry is a prefix in a trie.
type entry struct {
	addr [16]byte // the first 4 for IPv4
	bits uint8
	is4  bool
	i    uint32
}

// Network implements cidranger.RangerEntry. It is called while inserting only;
// the trie keeps the slices, so they point into the entry itself and into
// tables of masks, which spares a million prefixes two allocations each.
func (e *entry) Network() net.IPNet {
	if e.is4 {
		return net.IPNet{IP: e.addr[:4:4], Mask: masks4[e.bits]}
	}
	return net.IPNet{IP: e.addr[:], Mask: masks6[e.bits]}
}

var (
	masks4 = masks(32)
	masks6 = masks(128)
)

func masks(bits int) []net.IPMask {
	ms := make([]net.IPMask, bits+1)
	for ones := range ms {
		ms[ones] = net.CIDRMask(ones, bits)
	}
	return ms
}

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

func (e *entry) prefix() netip.Prefix {
	if e.is4 {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte(e.addr[:4])), int(e.bits))
	}
	return netip.PrefixFrom(netip.AddrFrom16(e.addr), int(e.bits))
}

func (e *entry) samePrefix(o *entry) bool {
	return e.addr == o.addr && e.bits == o.bits && e.is4 == o.is4
}

// index returns the index of p, which becomes next if p is new to the trie.
func (t *trie) index(p netip.Prefix, next uint32) (uint32, error) {
	for _, old := range t.entries(p.Addr()) {
		// Of the prefixes around one address no two have the same length.
		if old := old.(*entry); int(old.bits) == p.Bits() {
			return old.i, nil
		}
	}
	e := newEntry(p, next)
	return next, t.r.Insert(&e)
}

// covering appends the indexes of the prefixes that contain a, shortest first.
func (t *trie) covering(buf []uint32, a netip.Addr) []uint32 {
	if t == nil {
		return buf
	}
	for _, e := range t.entries(a) {
		buf = append(buf, e.(*entry).i)
	}
	return buf
}

// entries returns the prefixes that contain a, shortest first. The trie's only
// error is an address of neither 4 nor 16 bytes.
func (t *trie) entries(a netip.Addr) []cidranger.RangerEntry {
	es, _ := t.r.ContainingNetworks(a.AsSlice())
	return es
}

func (t *trie) contains(a netip.Addr) bool {
	if t == nil {
		return false
	}
	ok, _ := t.r.Contains(a.AsSlice())
	return ok
}
