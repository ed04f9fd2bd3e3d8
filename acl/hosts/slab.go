package hosts

// slabSize is for how many elements a slab has room at first. A table of ten
// thousand rules takes a hundred allocations for its tokens, not ten thousand.
const slabSize = 128

// A slab keeps many short slices in a few long ones, and never moves what it has
// handed out. Its slices are made one after the other, element by element.
type slab[T any] struct {
	chunk []T
	start int // of the slice being made
}

// add appends a zero element to the slice being made. The pointer is good until
// the next one.
func (b *slab[T]) add() *T {
	n := len(b.chunk)
	if n == cap(b.chunk) {
		made := b.chunk[b.start:]
		b.chunk = append(make([]T, 0, max(slabSize, 2*len(made))), made...)
		b.start, n = 0, len(made)
	}
	b.chunk = b.chunk[:n+1]
	return &b.chunk[n]
}

// made returns the slice being made.
func (b *slab[T]) made() []T { return b.chunk[b.start:len(b.chunk):len(b.chunk)] }

// take ends the slice being made and returns it, nil if it is empty.
func (b *slab[T]) take() []T {
	made := b.made()
	b.start = len(b.chunk)
	if len(made) == 0 {
		return nil
	}
	return made
}

// drop forgets the slice being made.
func (b *slab[T]) drop() {
	clear(b.made())
	b.chunk = b.chunk[:b.start]
}
