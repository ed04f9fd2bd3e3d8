package cdb

import (
	"bytes"
	"fmt"
	"iter"
	"math"
)

// A Reader looks up keys. Any number of goroutines may use it.
type Reader struct{ data []byte }

// A Record is a key with its value. Both are parts of the file: do not change
// them.
type Record struct {
	Pos        uint32 // where it begins in the file
	Key, Value []byte
}

// New returns a Reader of data, which must not change while it is in use. The
// error, which wraps ErrCorrupt, says that there is no header or that the
// tables do not lie within data. New looks at the header only.
func New(data []byte) (*Reader, error) {
	size := uint64(len(data))
	if size < headerSize || size > math.MaxUint32 {
		return nil, fmt.Errorf("%w: %d bytes long", ErrCorrupt, size)
	}
	room := size - headerSize
	for n := range tables {
		pos, slots := pair(data[8*n:])
		length := 8 * uint64(slots)
		if pos < headerSize || uint64(pos)+length > size || length > room {
			return nil, fmt.Errorf("%w: table %d is not within the file", ErrCorrupt, n)
		}
		room -= length
	}
	return &Reader{data}, nil
}

// Find returns the first record of key. The error, which wraps ErrCorrupt,
// says that the search led to a place that is no record.
func (r *Reader) Find(key []byte) (rec Record, ok bool, err error) {
	s := r.search(key)
	return s.next()
}

// All yields the records of key in the order in which they were added. An
// error is the last thing it yields.
func (r *Reader) All(key []byte) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		s := r.search(key)
		for {
			rec, ok, err := s.next()
			if !ok && err == nil {
				return
			}
			if !yield(rec, err) || err != nil {
				return
			}
		}
	}
}

// A search is a walk through the slots of one table.
type search struct {
	data  []byte
	table []byte
	key   []byte
	hash  uint32
	slot  uint32 // to look at next
	left  uint32 // how many there still are
}

func (r *Reader) search(key []byte) search {
	h := hash(key)
	table, slots := r.table(h % tables)
	s := search{data: r.data, table: table, key: key, hash: h, left: slots}
	if slots > 0 {
		s.slot = h / tables % slots
	}
	return s
}

// next returns the next record of the key.
func (s *search) next() (rec Record, ok bool, err error) {
	for s.left > 0 {
		h, pos := pair(s.table[8*uint64(s.slot):])
		if pos == 0 {
			break
		}
		s.left--
		if s.slot++; 8*uint64(s.slot) == uint64(len(s.table)) {
			s.slot = 0
		}
		if h != s.hash {
			continue
		}
		rec, err = record(s.data, pos)
		if err != nil {
			return Record{}, false, err
		}
		if bytes.Equal(rec.Key, s.key) {
			return rec, true, nil
		}
	}
	s.left = 0
	return Record{}, false, nil
}

// table returns hash table n, which New found to be within the file.
func (r *Reader) table(n uint32) (table []byte, slots uint32) {
	pos, slots := pair(r.data[8*n:])
	return r.data[pos:][:8*uint64(slots)], slots
}

// At returns the record at a position that Records, Find or Maker.Add gave.
func (r *Reader) At(pos uint32) (Record, error) { return record(r.data, pos) }

// record returns the record at pos.
func record(data []byte, pos uint32) (Record, error) {
	size := uint64(len(data))
	at := uint64(pos) + 8 // no sum of three 32-bit numbers overflows 64 bits
	if pos < headerSize || at > size {
		return Record{}, fmt.Errorf("%w: no record at %d", ErrCorrupt, pos)
	}
	klen, vlen := pair(data[pos:])
	value := at + uint64(klen)
	end := value + uint64(vlen)
	if end > size {
		return Record{}, fmt.Errorf("%w: the record at %d is cut short", ErrCorrupt, pos)
	}
	return Record{pos, data[at:value:value], data[value:end:end]}, nil
}

// Records yields every record in the order in which they were added. An error
// is the last thing it yields.
func (r *Reader) Records() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		end, _ := pair(r.data) // the first table follows the last record
		for pos := uint32(headerSize); pos != end; {
			rec, err := record(r.data[:end], pos)
			if !yield(rec, err) || err != nil {
				return
			}
			pos += 8 + uint32(len(rec.Key)) + uint32(len(rec.Value))
		}
	}
}
