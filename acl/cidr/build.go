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

// A builder fills the parts of a table. Each part picks its entries, and no
// goroutine writes where another one does.
type builder struct {
	blocks [][]entry // full ones, in order
	block  []entry   // the one that is being filled
	nets   [2]tries
	hosts4 map[uint32]uint32
	hosts6 map[[16]byte]uint32
	twins  [4][]twin
}

// blockSize is how many entries are allocated at once: what is never moved
// costs no time and leaves nothing behind.
const blockSize = 1 << 14

// The parts: prefixes in tries of even and of odd number, and whole addresses.
const (
	even = iota
	odd
	whole4
	whole6
)

// A twin is a later prefix that is equal to the first of its kind.
type twin struct{ first, later uint32 }

// add keeps p for its part.
func (b *builder) add(p netip.Prefix, i uint32) {
	e := newEntry(p, i)
	e.part = partOf(p)
	if len(b.block) == blockSize {
		b.blocks = append(b.blocks, b.block)
		b.block = make([]entry, 0, blockSize)
	}
	b.block = append(b.block, e) // the first one grows: it may stay small
}

func partOf(p netip.Prefix) uint8 {
	switch a := p.Addr(); {
	case p.IsSingleIP() && a.Is4():
		return whole4
	case p.IsSingleIP():
		return whole6
	case spansShards(p): // those that do share one trie
		return even
	default:
		return even + uint8(shard(a)%2)
	}
}

// of yields the entries of a part, in order.
func (b *builder) of(part uint8) iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		for _, block := range append(b.blocks[:len(b.blocks):len(b.blocks)], b.block) {
			for k := range block {
				if block[k].part == part && !yield(&block[k]) {
					return
				}
			}
		}
	}
}

// run fills the parts, the slow ones first.
func (b *builder) run(workers int) error {
	var errs [2]error
	jobs := make(chan func(), 4)
	for n := range b.nets {
		jobs <- func() { b.twins[n], errs[n] = b.nets[n].fill(b.sorted(uint8(n))) }
	}
	jobs <- func() { b.hosts4, b.twins[whole4] = index(b.of(whole4), (*entry).key4) }
	jobs <- func() { b.hosts6, b.twins[whole6] = index(b.of(whole6), (*entry).key6) }
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

// buckets is the number of lists that are sorted: many short ones take a third
// of the time of a long one.
const buckets = 1 << 12

// sorted returns the entries of a part shard by shard, in whatever order, and
// sorted within each.
func (b *builder) sorted(part uint8) []entry {
	var ends [buckets]int // of each bucket, once it is full
	n := 0
	for e := range b.of(part) {
		ends[e.bucket()]++
		n++
	}
	start := 0
	for k, size := range ends {
		ends[k], start = start, start+size
	}
	es := make([]entry, n)
	for e := range b.of(part) {
		k := e.bucket()
		es[ends[k]] = *e
		ends[k]++
	}
	start = 0
	for _, end := range ends {
		slices.SortFunc(es[start:end], compare)
		start = end
	}
	return es
}

// fill adds es, in which equal prefixes are neighbours, to empty tries, which
// keep pointers into it.
func (ts *tries) fill(es []entry) (twins []twin, err error) {
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
func index[K comparable](es iter.Seq[*entry], key func(*entry) K) (map[K]uint32, []twin) {
	n := 0
	for range es {
		n++
	}
	m := make(map[K]uint32, n)
	var twins []twin
	for e := range es {
		if first := putIfAbsent(&m, key(e), e.i); first != e.i {
			twins = append(twins, twin{first, e.i})
		}
	}
	return m, twins
}

func (e *entry) key4() uint32   { return binary.BigEndian.Uint32(e.addr[:4]) }
func (e *entry) key6() [16]byte { return e.addr }
