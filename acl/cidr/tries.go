package cidr

import (
	"encoding/binary"
	"net/netip"

	"github.com/yl2chen/cidranger"
)

// tries map canonical prefixes to indexes. The zero value is empty. A trie may
// hold both families; the library keeps them apart.
type tries struct {
	short  cidranger.Ranger            // prefixes that span shards; may be nil
	shards map[uint32]cidranger.Ranger // the others, by shard
}

// shard is the number of the trie for prefixes around a that have at least
// shardBits bits.
func shard(a netip.Addr) uint32 {
	if a.Is4() {
		return key4(a) >> 16
	}
	b := a.As16()
	return binary.BigEndian.Uint32(b[:])
}

func shardBits(a netip.Addr) int {
	if a.Is4() {
		return 16
	}
	return 32
}

// spansShards reports whether p is too short to be in one shard.
func spansShards(p netip.Prefix) bool { return p.Bits() < shardBits(p.Addr()) }

// index returns the index of p, which becomes i if p is new.
func (ts *tries) index(p netip.Prefix, i uint32) (uint32, error) {
	r := ts.of(p)
	for _, old := range containing(r, p.Addr()) {
		// Of the prefixes around one address no two have the same length.
		if old := old.(*entry); int(old.bits) == p.Bits() {
			return old.i, nil
		}
	}
	e := newEntry(p, i)
	return i, r.Insert(&e)
}

// of returns the trie for p, a new one if need be.
func (ts *tries) of(p netip.Prefix) cidranger.Ranger {
	if spansShards(p) {
		if ts.short == nil {
			ts.short = cidranger.NewPCTrieRanger()
		}
		return ts.short
	}
	n := shard(p.Addr())
	r := ts.shards[n]
	if r == nil {
		if ts.shards == nil {
			ts.shards = make(map[uint32]cidranger.Ranger)
		}
		r = cidranger.NewPCTrieRanger()
		ts.shards[n] = r
	}
	return r
}

// covering appends the indexes of the prefixes that contain a, shortest first.
func (ts *tries) covering(buf []uint32, a netip.Addr) []uint32 {
	for _, e := range containing(ts.short, a) {
		buf = append(buf, e.(*entry).i)
	}
	for _, e := range containing(ts.shards[shard(a)], a) {
		buf = append(buf, e.(*entry).i)
	}
	return buf
}

// containing returns the entries of r, which may be nil, that contain a,
// shortest first. The only error the library knows is an address of neither 4
// nor 16 bytes.
func containing(r cidranger.Ranger, a netip.Addr) []cidranger.RangerEntry {
	if r == nil {
		return nil
	}
	es, _ := r.ContainingNetworks(a.AsSlice())
	return es
}

// contains reports whether any prefix contains a.
func (ts *tries) contains(a netip.Addr) bool {
	for _, r := range [...]cidranger.Ranger{ts.shards[shard(a)], ts.short} {
		if r == nil {
			continue
		}
		if ok, _ := r.Contains(a.AsSlice()); ok {
			return true
		}
	}
	return false
}
