// Package ttlcache keeps values for a time each, in at most so many bytes.
//
// Who fills a cache of answers about clients are the clients: whoever owns an
// IPv6 network has more addresses than any machine has memory. So the bound is
// on bytes, not on entries, and it holds whatever is put in.
//
// What has to go is found by a clock hand (second chance): it passes over
// entries that were asked for since it came by last, and takes the first that
// was not. A flood of clients who come once drives out each other, not those
// who come often, and neither Get nor Put ever looks through the whole cache
// more than once.
package ttlcache

import (
	"time"
	"unsafe"
)

// A Cache maps keys to values, each with a time at which it ends. Times are
// durations since some moment that the caller chose; a monotonic clock does
// not run backwards when the machine's clock is set. A Cache is not safe for
// use by several goroutines at once.
type Cache[K comparable, V any] struct {
	max, size int
	index     map[K]uint32 // where in slots
	slots     []slot[K, V]
	free      []uint32 // slots that hold nothing
	hand      int
}

type slot[K comparable, V any] struct {
	key   K
	value V
	ends  time.Duration
	size  int32 // what it counts for, in bytes; 0: the slot is free
	used  bool  // asked for since the hand came by
}

// New returns a cache of at most max bytes. One of 0 bytes keeps nothing.
func New[K comparable, V any](max int) *Cache[K, V] {
	return &Cache[K, V]{max: max, index: make(map[K]uint32)}
}

// Get returns the value of k, and when it ends, if that is after now.
func (c *Cache[K, V]) Get(k K, now time.Duration) (v V, ends time.Duration, ok bool) {
	i, ok := c.index[k]
	if !ok || c.slots[i].ends <= now {
		return v, 0, false
	}
	s := &c.slots[i]
	s.used = true
	return s.value, s.ends, true
}

// Put keeps v for k until ends, in the place of what k had before. Extra is
// how many bytes v refers to that are not in V itself, such as those of a
// string. What takes more than the whole cache is not kept.
func (c *Cache[K, V]) Put(k K, v V, extra int, ends, now time.Duration) {
	if i, ok := c.index[k]; ok {
		c.drop(i)
	}
	size := c.overhead() + extra
	if size > c.max || ends <= now {
		return
	}
	for c.size+size > c.max {
		c.evict(now)
	}
	i := c.room()
	c.slots[i] = slot[K, V]{key: k, value: v, ends: ends, size: int32(size)}
	c.index[k] = i
	c.size += size
}

// overhead is what an entry takes beside what its value refers to. A slice
// holds up to as much again in reserve; a map does so, and grows before it has
// filled up the places of what was deleted.
func (c *Cache[K, V]) overhead() int {
	var s slot[K, V]
	var k K
	return 2*int(unsafe.Sizeof(s)) + 4*int(unsafe.Sizeof(k)+unsafe.Sizeof(c.hand))
}

// evict makes one entry go. There is one, since the cache is not empty.
func (c *Cache[K, V]) evict(now time.Duration) {
	for {
		c.hand = (c.hand + 1) % len(c.slots)
		s := &c.slots[c.hand]
		switch {
		case s.size == 0:
		case s.used && s.ends > now:
			s.used = false
		default:
			c.drop(uint32(c.hand))
			return
		}
	}
}

func (c *Cache[K, V]) drop(i uint32) {
	s := &c.slots[i]
	delete(c.index, s.key)
	c.size -= int(s.size)
	*s = slot[K, V]{}
	c.free = append(c.free, i)
}

// room returns a free slot.
func (c *Cache[K, V]) room() uint32 {
	if n := len(c.free); n > 0 {
		i := c.free[n-1]
		c.free = c.free[:n-1]
		return i
	}
	c.slots = append(c.slots, slot[K, V]{})
	return uint32(len(c.slots) - 1)
}

// Len returns how many entries there are, those that have ended included, and
// Size how many bytes they count for.
func (c *Cache[K, V]) Len() int  { return len(c.index) }
func (c *Cache[K, V]) Size() int { return c.size }
