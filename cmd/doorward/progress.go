package main

import (
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A progress tells whoever waits at a terminal how far long look-ups have come.
// What is over at once, and what goes to a file, needs none.
type progress struct {
	mu    sync.Mutex
	out   *os.File // nil: nobody waits
	total int
	next  time.Time // when to say more
	shown bool
}

func newProgress(out *os.File, total int) *progress {
	p := &progress{total: total, next: time.Now().Add(time.Second)}
	if _, err := unix.IoctlGetTermios(int(out.Fd()), unix.TCGETS); err == nil {
		p.out = out
	}
	return p
}

// show says that so many are done.
func (p *progress) show(done int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); p.out != nil && now.After(p.next) {
		p.next, p.shown = now.Add(200*time.Millisecond), true
		fmt.Fprintf(p.out, "\r%d of %d hosts looked up", done, p.total)
	}
}

// end clears the line.
func (p *progress) end() {
	if p.shown {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
