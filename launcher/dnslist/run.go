package dnslist

import (
	"context"
	"time"
)

// Run examines the lists in use: at once, every 30 minutes, and those that are
// switched off after a while that grows from one minute to 30. It returns when
// ctx ends. Without Run lists are examined all the same, but when clients come.
func (e *Engine) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.wake:
		case <-timer.C:
		}
		timer.Reset(e.examineDue())
	}
}

// examineDue has every list examined that is due, and returns in how long the
// next one may be.
func (e *Engine) examineDue() time.Duration {
	next := e.now() + firstRetry // a list may be switched off meanwhile
	for _, l := range e.inUse() {
		for _, h := range l.health {
			h.usable()
			h.mu.Lock()
			next = min(next, h.due)
			h.mu.Unlock()
		}
	}
	return max(next-e.now(), time.Second)
}

func (e *Engine) inUse() []*list {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.used[:len(e.used):len(e.used)]
}
