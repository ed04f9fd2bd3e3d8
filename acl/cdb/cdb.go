// Package cdb reads and writes constant databases.
//
// A constant database maps keys to values, both any bytes, in a file that is
// written once and then only read; tcprules(1) keeps its rules in one. The
// format is D. J. Bernstein's (https://cr.yp.to/cdb/cdb.txt):
//
//	2048 bytes  256 pairs: position and number of slots of a hash table
//	records     length of key, length of value, key, value
//	256 tables  slots: hash of a key, position of its record (0: empty)
//
// Every number is 32 bits, little-endian. The low 8 bits of a key's hash choose
// the table, the others the slot where the search begins; it goes on, round the
// table, to the record or to an empty slot. A look-up touches two places of the
// file whatever its size, and needs nothing but the bytes: they may as well be
// mapped memory.
//
// A key may have several records. They are found in the order in which they
// were added, so for those who want one, the first counts.
//
// A file comes from outside and may be cut short or written over. [New] refuses
// one whose tables do not lie within it, and no look-up ever reads beyond, runs
// for longer than its table, or returns a record of another key; [Reader.Check]
// makes sure that each record is where a look-up will find it.
package cdb

import (
	"encoding/binary"
	"errors"
)

const (
	tables     = 256
	headerSize = tables * 8
)

// ErrCorrupt is wrapped by every error about the contents of a file.
var ErrCorrupt = errors.New("not a constant database")

// ErrTooLarge is returned for a database that would not fit into 4 GB.
var ErrTooLarge = errors.New("constant database larger than 4 GB")

// hash is the hash of the format: h*33 xor c, from 5381.
func hash(key []byte) uint32 {
	h := uint32(5381)
	for _, c := range key {
		h = (h + h<<5) ^ uint32(c)
	}
	return h
}

// pair reads two numbers: a pointer, a slot or the lengths of a record.
func pair(b []byte) (uint32, uint32) {
	return binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
}

func appendPair(b []byte, x, y uint32) []byte {
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, x), y)
}
