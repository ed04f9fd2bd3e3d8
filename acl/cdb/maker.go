package cdb

import (
	"encoding/binary"
	"math"
	"slices"
)

// A Maker makes a database in memory. The zero Maker is an empty one and ready.
//
// The bytes are those of cdb_make, down to the order of slots in a table, which
// depends on the order of the records.
type Maker struct {
	data  []byte // header, to be filled in, and records
	slots []slot // of the records, in order
}

type slot struct{ hash, pos uint32 }

// Len is the number of records added.
func (m *Maker) Len() int { return len(m.slots) }

// Grow makes room for records of a size together, so that adding them moves
// nothing. It is never necessary.
func (m *Maker) Grow(records, size int) {
	m.begin()
	m.data = slices.Grow(m.data, size+24*records) // a record has 8 bytes more, and two slots
	m.slots = slices.Grow(m.slots, records)
}

// Add appends a record and returns its position. ErrTooLarge means that it was
// not added, because it or the tables would lie beyond 4 GB.
func (m *Maker) Add(key, value []byte) (pos uint32, err error) {
	m.begin()
	size := uint64(len(m.data)) + 8 + uint64(len(key)) + uint64(len(value))
	if size+16*uint64(len(m.slots)+1) > math.MaxUint32 {
		return 0, ErrTooLarge
	}
	pos = uint32(len(m.data))
	m.data = appendPair(m.data, uint32(len(key)), uint32(len(value)))
	m.data = append(append(m.data, key...), value...)
	m.slots = append(m.slots, slot{hash(key), pos})
	return pos, nil
}

func (m *Maker) begin() {
	if m.data == nil {
		m.data = make([]byte, headerSize)
	}
}

// Bytes returns the finished database. Nothing can be added to it: the Maker
// is empty again.
func (m *Maker) Bytes() []byte {
	m.begin()
	data, groups := m.data, m.byTable()
	for n, group := range groups {
		pos := uint32(len(data))
		slots := 2 * uint32(len(group)) // half empty, to keep searches short
		binary.LittleEndian.PutUint32(data[8*n:], pos)
		binary.LittleEndian.PutUint32(data[8*n+4:], slots)
		data = appendTable(data, group)
	}
	*m = Maker{}
	return data
}

// byTable sorts the slots by table and keeps their order within each.
func (m *Maker) byTable() (groups [tables][]slot) {
	var count [tables]int
	for _, s := range m.slots {
		count[s.hash%tables]++
	}
	sorted := make([]slot, len(m.slots))
	for n, c := range count {
		groups[n], sorted = sorted[:0:c], sorted[c:]
	}
	for _, s := range m.slots {
		n := s.hash % tables
		groups[n] = append(groups[n], s)
	}
	return groups
}

// appendTable appends a hash table with twice as many slots as there are in
// group, each in the first free one at or after its place.
func appendTable(data []byte, group []slot) []byte {
	slots := 2 * uint32(len(group))
	table := make([]slot, slots)
	free := newFree(slots)
	for _, s := range group {
		table[free.take(s.hash/tables%slots)] = s
	}
	for _, s := range table {
		data = appendPair(data, s.hash, s.pos)
	}
	return data
}

// free finds free slots: f[i] is i, or a slot on the way from i to the next
// free one. Whoever walks the way shortens it, because slot by slot the records
// of one key would take time in proportion to the square of their number.
type free []uint32

func newFree(n uint32) free {
	f := make(free, n)
	for i := range f {
		f[i] = uint32(i)
	}
	return f
}

// take returns the first free slot at or after i, round the table, and takes it.
func (f free) take(i uint32) uint32 {
	for f[i] != i {
		f[i] = f[f[i]]
		i = f[i]
	}
	f[i] = (i + 1) % uint32(len(f))
	return i
}
