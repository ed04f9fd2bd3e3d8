package cidr

import (
	"encoding/binary"
	"errors"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"sync"
)

// A Builder makes a table of many prefixes at once, several times faster than
// Insert does one by one: sorted, each trie is filled while it is in the cache,
// and equal prefixes are neighbours. The zero Builder is empty and ready.
//
// A million prefixes are four million objects, and the garbage collector would
// walk them again and again as they become more. The caller may turn it off
// meanwhile (runtime/debug.SetGCPercent), which saves a third of the time.
type Builder[V any] struct {
	values []V
	parts  builder
}

// Add is Table.Insert, but the work comes later.
func (b *Builder[V]) Add(p netip.Prefix, v V) error {
	p, err := Canonical(p)
	if err != nil {
		return err
	}
	b.values = append(b.values, v)
	b.parts.add(p, uint32(len(b.values)-1))
	return nil
}

// Table returns the table. The builder is empty then. The values of one prefix
// keep the order in which they were added.
//
// Up to workers goroutines share the work; more than 4 find nothing to do. Take
// 2 or more to start quickly, and 1 while connections are being served.
func (b *Builder[V]) Table(workers int) (*Table[V], error) {
	parts := b.parts
	t := &Table[V]{values: b.values}
	*b = Builder[V]{}
	err := parts.run(workers)
	t.hosts4, t.hosts6 = parts.hosts4, parts.hosts6
	t.nets = parts.nets[even].merge(parts.nets[odd])
	for _, w := range slices.Concat(parts.twins[:]...) {
		t.link(w.first, w.later)
	}
	return t, err
}

// Build makes a table of the prefixes of seq; see [Builder]. The error is that
// of the first prefix that is not valid.
func Build[V any](workers int, seq iter.Seq2[netip.Prefix, V]) (*Table[V], error) {
	var b Builder[V]
	for p, v := range seq {
		if err := b.Add(p, v); err != nil {
			return nil, err
		}
	}
	return b.Table(workers)
}

// A builder fills the parts of a table from one list each: no goroutine writes
// where another one does.
type builder struct {
	lists  [4][]entry
	nets   [2]tries
	hosts4 map[uint32]uint32
	hosts6 map[[16]byte]uint32
	twins  [4][]twin
}

// The parts: prefixes in tries of even and of odd number, and whole addresses.
const (
	even = iota
	odd
	whole4
	whole6
)

// A twin is a later prefix that is equal to the first of its kind.
type twin struct{ first, later uint32 }

// add puts p on the list of its part.
func (b *builder) add(p netip.Prefix, i uint32) {
	part := even
	switch {
	case p.IsSingleIP() && p.Addr().Is4():
		part = whole4
	case p.IsSingleIP():
		part = whole6
	case !spansShards(p): // those that do share one trie
		part += int(shard(p.Addr()) % 2)
	}
	b.lists[part] = append(b.lists[part], newEntry(p, i))
}

// run works off the lists, the slow ones first.
func (b *builder) run(workers int) error {
	var errs [2]error
	jobs := make(chan func(), 4)
	for n := range b.nets {
		jobs <- func() { b.twins[n], errs[n] = b.nets[n].fill(b.lists[n]) }
	}
	jobs <- func() { b.hosts4, b.twins[whole4] = index(b.lists[whole4], (*entry).key4) }
	jobs <- func() { b.hosts6, b.twins[whole6] = index(b.lists[whole6], (*entry).key6) }
	close(jobs)

	var wg sync.WaitGroup
	for range min(max(workers, 1), 4) {
		wg.Go(func() {
			for job := range jobs {
				job()
			}
		})
	}
	wg.Wait()
	return errors.Join(errs[:]...)
}

// fill adds es to empty tries, which keep pointers into it.
func (ts *tries) fill(es []entry) (twins []twin, err error) {
	slices.SortFunc(es, compare)
	var first *entry // of its prefix
	for k := range es {
		e := &es[k]
		if first != nil && e.samePrefix(first) {
			twins = append(twins, twin{first.i, e.i})
			continue
		}
		first = e
		if err := ts.of(e.prefix()).Insert(e); err != nil {
			return nil, err
		}
	}
	return twins, nil
}

// merge returns tries with the shards of both, which have none in common. Only
// ts has short prefixes.
func (ts tries) merge(o tries) tries {
	if ts.shards == nil {
		ts.shards = o.shards
	}
	maps.Copy(ts.shards, o.shards)
	return ts
}

// index makes a map of whole addresses.
func index[K comparable](es []entry, key func(*entry) K) (map[K]uint32, []twin) {
	m := make(map[K]uint32, len(es))
	var twins []twin
	for k := range es {
		e := &es[k]
		if first := putIfAbsent(&m, key(e), e.i); first != e.i {
			twins = append(twins, twin{first, e.i})
		}
	}
	return m, twins
}

func (e *entry) key4() uint32   { return binary.BigEndian.Uint32(e.addr[:4]) }
func (e *entry) key6() [16]byte { return e.addr }
