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
// everything passes [Canonical] on its way in, and the values of one prefix are
// gathered before they get there. Masks that are no prefix, which
// hosts_access(5) allows, do not belong here: netip.Prefix cannot hold them.
//
// An IPv4-mapped address is the IPv4 address it carries, and no IPv6 prefix
// covers an IPv4 address, ::/0 included.
//
// # Size
//
// A trie of a million prefixes is twenty levels deep, and each level is a cache
// miss. A table keeps many small ones instead: one for every IPv4 /16 and every
// IPv6 /32, and one for the prefixes shorter than those. Whole addresses (/32
// and /128), the bulk of every list of offenders, are in Go maps and cost 20 to
// 40 bytes each; an entry of a trie costs 470.
package cidr

import (
	"encoding/binary"
	"net/netip"
)

// A Table maps prefixes to values of type V. The zero Table is empty and ready.
//
// One goroutine fills a table; after that any number may read it. There is no
// lock: whoever wants a changed table builds another one and swaps the pointer.
type Table[V any] struct {
	hosts4 map[uint32]uint32   // whole addresses, to indexes into values
	hosts6 map[[16]byte]uint32 // likewise
	nets   tries               // the other prefixes

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
	var first uint32
	switch a := p.Addr(); {
	case !p.IsSingleIP():
		first, err = t.nets.index(p, i)
	case a.Is4():
		first = putIfAbsent(&t.hosts4, key4(a), i)
	default:
		first = putIfAbsent(&t.hosts6, a.As16(), i)
	}
	if first != i {
		t.link(first, i)
	}
	return err
}

// add appends v to the values and returns its index.
func (t *Table[V]) add(v V) uint32 {
	t.values = append(t.values, v)
	return uint32(len(t.values) - 1)
}

// link makes i a later value of the prefix whose first value is first.
func (t *Table[V]) link(first, i uint32) {
	if t.more == nil {
		t.more = make(map[uint32][]uint32)
	}
	t.more[first] = append(t.more[first], i)
}

// putIfAbsent returns the value of k in the map, which becomes i if k is new.
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

// Covering appends to buf the values of every prefix that contains a, those of
// the shortest prefix first, and returns the extended buffer. An invalid a is
// in no prefix.
func (t *Table[V]) Covering(buf []V, a netip.Addr) []V {
	a = canonicalAddr(a)
	if !a.IsValid() {
		return buf
	}
	var few [8]uint32 // prefixes rarely nest deeper
	found := t.nets.covering(few[:0], a)
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
	_, ok := t.host(a)
	return ok || t.nets.contains(a)
}

// host returns the index of the whole address a.
func (t *Table[V]) host(a netip.Addr) (i uint32, ok bool) {
	if a.Is4() {
		i, ok = t.hosts4[key4(a)]
	} else {
		i, ok = t.hosts6[a.As16()]
	}
	return i, ok
}

func key4(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}
