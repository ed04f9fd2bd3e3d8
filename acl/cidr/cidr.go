// Package cidr finds the prefixes that cover an address.
//
// A [Table] maps prefixes such as 192.0.2.0/24 and 2001:db8::/32 to values:
// the numbers of rules, or nothing but their presence. It asks
// github.com/yl2chen/cidranger, a path-compressed trie, and is the only
// package that does.
//
// The trie trusts its input. A network with host bits overflows its stack, an
// odd mask becomes a default route, an IPv4-mapped network breaks the next
// insertion, and a second entry of a network replaces the first in silence. So
// everything passes [Canonical] on its way in, and values of one prefix are
// gathered before they get there. Masks that are no prefix, which
// hosts_access(5) allows, do not belong here: netip.Prefix cannot hold them.
//
// An IPv4-mapped address is the IPv4 address it carries, and no IPv6 prefix
// covers an IPv4 address, ::/0 included.
//
// # Size
//
// One trie that holds a million prefixes is twenty levels deep and each level
// is a cache miss. A table keeps many small ones instead: one for every IPv4
// /16 and every IPv6 /32, one for the prefixes shorter than those. Whole
// addresses (/32 and /128), the bulk of every list of offenders, are in Go
// maps and cost 20 to 40 bytes instead of 470.
package cidr

import "net/netip"

// A Table maps prefixes to values of type V. The zero Table is empty and ready.
//
// One goroutine fills a table; after that any number may read it. There is no
// lock: who wants a changed table builds another one and swaps the pointer.
type Table[V any] struct {
	hosts4 map[[4]byte]uint32  // whole addresses: index into values
	hosts6 map[[16]byte]uint32 // likewise
	short  *trie               // prefixes that span shards
	shards map[uint32]*trie    // by shard number

	values []V
	more   map[uint32][]uint32 // the later values of a prefix, by the index of its first
}

// New returns an empty table.
func New[V any]() *Table[V] { return new(Table[V]) }

// Len is the number of values in the table.
func (t *Table[V]) Len() int { return len(t.values) }

// Insert adds v to the values of p. A prefix may have several; they keep the
// order in which they came. Host bits of p do not count. The only error is a p
// that is not valid.
func (t *Table[V]) Insert(p netip.Prefix, v V) error {
	p, err := Canonical(p)
	if err != nil {
		return err
	}
	i := t.add(v)
	first := i
	if p.IsSingleIP() {
		first = t.hostIndex(p.Addr(), i)
	} else {
		first, err = t.trieFor(p).index(p, i)
	}
	t.link(first, i)
	return err
}

// add makes room for v and returns its index.
func (t *Table[V]) add(v V) uint32 {
	t.values = append(t.values, v)
	return uint32(len(t.values) - 1)
}

// link makes i a later value of the prefix whose first value is first.
func (t *Table[V]) link(first, i uint32) {
	if first == i {
		return
	}
	if t.more == nil {
		t.more = make(map[uint32][]uint32)
	}
	t.more[first] = append(t.more[first], i)
}

// hostIndex returns the index of the whole address a, which becomes i if a is
// new to the table.
func (t *Table[V]) hostIndex(a netip.Addr, i uint32) uint32 {
	if a.Is4() {
		return putIfAbsent(&t.hosts4, a.As4(), i)
	}
	return putIfAbsent(&t.hosts6, a.As16(), i)
}

func putIfAbsent[K comparable](m *map[K]uint32, k K, i uint32) uint32 {
	if old, ok := (*m)[k]; ok {
		return old
	}
	if *m == nil {
		*m = make(map[K]uint32)
	}
	(*m)[k] = i
	return i
}

// trieFor returns the trie that has p or is to have it.
func (t *Table[V]) trieFor(p netip.Prefix) *trie {
	if p.Bits() < shardBits(p.Addr()) {
		if t.short == nil {
			t.short = newTrie()
		}
		return t.short
	}
	n := shard(p.Addr())
	tr := t.shards[n]
	if tr == nil {
		if t.shards == nil {
			t.shards = make(map[uint32]*trie)
		}
		tr = newTrie()
		t.shards[n] = tr
	}
	return tr
}

// Covering appends to buf the values of every prefix that contains a, those of
// the shortest prefix first, and returns the extended buffer. An invalid a is
// in no prefix.
func (t *Table[V]) Covering(buf []V, a netip.Addr) []V {
	a = canonicalAddr(a)
	if !a.IsValid() {
		return buf
	}
	var few [8]uint32 // prefixes rarely nest deeper
	found := few[:0]
	found = t.short.covering(found, a)
	found = t.shards[shard(a)].covering(found, a)
	if i, ok := t.host(a); ok {
		found = append(found, i)
	}
	for _, i := range found {
		buf = append(buf, t.values[i])
		for _, j := range t.more[i] {
			buf = append(buf, t.values[j])
		}
	}
	return buf
}

// Contains reports whether any prefix contains a.
func (t *Table[V]) Contains(a netip.Addr) bool {
	a = canonicalAddr(a)
	if !a.IsValid() {
		return false
	}
	if _, ok := t.host(a); ok {
		return true
	}
	return t.shards[shard(a)].contains(a) || t.short.contains(a)
}

// host returns the index of the whole address a.
func (t *Table[V]) host(a netip.Addr) (i uint32, ok bool) {
	if a.Is4() {
		i, ok = t.hosts4[a.As4()]
	} else {
		i, ok = t.hosts6[a.As16()]
	}
	return i, ok
}
