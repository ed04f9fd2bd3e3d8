package cdb

import "fmt"

// Check reads the whole file and returns nil if every record has one slot in
// the right table, where a look-up finds it, and there are no other slots. The
// error wraps ErrCorrupt. A value that was written over goes unnoticed: the
// format has no checksum.
func (r *Reader) Check() error {
	unseen := newSet(uint32(len(r.data)))
	left := 0
	for rec, err := range r.Records() {
		if err != nil {
			return err
		}
		unseen.add(rec.Pos)
		left++
	}
	for n := range uint32(tables) {
		seen, err := r.checkTable(n, unseen)
		if err != nil {
			return err
		}
		left -= seen
	}
	if left > 0 {
		return fmt.Errorf("%w: %d records are in no table", ErrCorrupt, left)
	}
	return nil
}

// checkTable takes the records of table n out of unseen and counts them.
func (r *Reader) checkTable(n uint32, unseen set) (seen int, err error) {
	table, slots := r.table(n)
	full := fullBefore(table, slots)
	for slot := range slots {
		h, pos := pair(table[8*uint64(slot):])
		if pos == 0 {
			continue
		}
		if !unseen.take(pos) {
			return 0, fmt.Errorf("%w: table %d: no record, or one twice, at %d", ErrCorrupt, n, pos)
		}
		rec, err := record(r.data, pos)
		if err != nil {
			return 0, err
		}
		if h != hash(rec.Key) || h%tables != n {
			return 0, fmt.Errorf("%w: table %d: wrong hash of %q", ErrCorrupt, n, rec.Key)
		}
		if steps := (slot + slots - h/tables%slots) % slots; steps > full[slot] {
			return 0, fmt.Errorf("%w: table %d: %q is out of reach", ErrCorrupt, n, rec.Key)
		}
		seen++
	}
	return seen, nil
}

// fullBefore returns for each slot how many slots right before it, round the
// table, are not empty: a look-up that begins farther away stops on the way.
func fullBefore(table []byte, slots uint32) []uint32 {
	full := make([]uint32, slots)
	run := uint32(0)
	for range 2 { // the second lap begins with what the end of the table is like
		for slot := range slots {
			full[slot] = run
			run = min(run+1, slots)
			if _, pos := pair(table[8*uint64(slot):]); pos == 0 {
				run = 0
			}
		}
	}
	return full
}

// A set holds positions in the file, one bit each.
type set []uint64

func newSet(size uint32) set { return make(set, size/64+1) }

func (s set) add(pos uint32) { s[pos/64] |= 1 << (pos % 64) }

// take reports whether pos was in the set, and takes it out.
func (s set) take(pos uint32) bool {
	if int64(pos/64) >= int64(len(s)) || s[pos/64]&(1<<(pos%64)) == 0 {
		return false
	}
	s[pos/64] &^= 1 << (pos % 64)
	return true
}
