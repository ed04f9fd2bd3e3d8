package launcher

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// A Pace is how many clients may come in a second before the service takes a
// break (xinetd cps). While it does, clients wait in the kernel. xinetd closes
// the socket instead, so that one client can have everybody refused. The zero
// Pace is any number.
type Pace struct {
	Count int
	Break time.Duration
}

// String returns the reason for a break.
func (p Pace) String() string {
	return fmt.Sprintf("more than %d connections in a second: none is accepted for %v, clients wait", p.Count, p.Break)
}

// A pacer counts the clients of one port.
type pacer struct {
	mu     sync.Mutex
	second time.Time // when the second began in which came is counted
	came   int
	until  time.Time // the end of the break
}

// count counts a client that came at the time now, and reports whether a break
// begins with it.
func (m *pacer) count(p Pace, now time.Time) bool {
	if p.Count <= 0 || p.Break <= 0 {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if d := now.Sub(m.second); d >= time.Second || d < 0 {
		m.second, m.came = now, 0
	}
	m.came++
	if m.came <= p.Count || now.Before(m.until) {
		return false
	}
	m.until, m.came = now.Add(p.Break), 0
	return true
}

// rest begins a break, or makes it longer.
func (m *pacer) rest(until time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if until.After(m.until) {
		m.until = until
	}
}

// wait waits for the end of a break, or of ctx.
func (m *pacer) wait(ctx context.Context) {
	m.mu.Lock()
	left := time.Until(m.until)
	m.mu.Unlock()
	if left > 0 {
		pause(ctx, left)
	}
}
