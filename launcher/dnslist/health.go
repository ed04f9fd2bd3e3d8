package dnslist

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"doorward/acl"
	"doorward/acl/dnsbl"
)

// When a list is examined, and how long it is left alone after it failed:
// each time twice as long as before.
const (
	examineEvery = 30 * time.Minute
	trustFor     = time.Minute // a listing counts this long after an examination
	firstRetry   = time.Minute
	lastRetry    = 30 * time.Minute
)

// maxFailures is how many questions in a row a list may leave without an
// answer before it is switched off.
const maxFailures = 10

// troubleEvery bounds how often a list that is on is complained about.
const troubleEvery = time.Minute

// A State says whether a list counts.
type State uint8

const (
	Unexamined State = iota // its listings wait for the first examination
	On
	Off // it lists nobody
)

func (s State) String() string { return [...]string{"unexamined", "on", "off"}[s] }

// A listKey names a list. An allow list says with other codes that it refuses
// to answer.
type listKey struct {
	name  string
	allow bool
}

func keyOf(z *dnsbl.Zone) listKey { return listKey{z.Name, z.Weight < 0} }

// A list is what is known about a DNS list.
type list struct {
	listKey
	pos    acl.Pos    // where it was named first
	health [2]*health // for IPv4 and IPv6 clients: many lists know IPv4 only
}

func newList(e *Engine, z *dnsbl.Zone) *list {
	l := &list{listKey: keyOf(z), pos: z.Pos}
	for i := range l.health {
		l.health[i] = &health{engine: e, list: l, family: families[i], due: e.now()}
		l.health[i].edition.Store(e.editions.Add(1))
	}
	return l
}

// judge reads an answer without regard to codes: whether it is a list's.
func (l *list) judge(a acl.Answer) dnsbl.Outcome {
	z := dnsbl.Zone{Name: l.name, Weight: 1}
	if l.allow {
		z.Weight = -1
	}
	return z.Judge(a)
}

// A health is how a list fares with one family of addresses.
type health struct {
	engine *Engine
	list   *list
	family *family

	// edition is part of the key of its answers in the cache. A list that was
	// found lying gets another, and what it said before is not found again.
	edition atomic.Uint32

	asked, failed, listed atomic.Uint64

	mu          sync.Mutex
	state       State
	why         string // it is off
	since       time.Time
	examined    time.Duration // when it passed last
	due         time.Duration // when it is to be examined
	wait        time.Duration // how long it was left alone last; 0: it has been well for long
	inARow      int           // failures without an answer between
	complained  time.Duration // when a failure was logged last; 0: never
	examination round
}

// usable reports whether the list is to be asked. One that is off and has been
// left alone long enough is examined: the client at hand does not wait for
// that.
func (h *health) usable() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.engine.now() >= h.due {
		h.examine()
	}
	return h.state != Off
}

// vouched reports whether a listing counts. It waits for an examination if
// the last one was too long ago.
func (h *health) vouched(ctx context.Context) bool {
	h.mu.Lock()
	if h.state == Off || h.state == On && h.engine.now()-h.examined < trustFor {
		defer h.mu.Unlock()
		return h.state == On
	}
	over := h.examine()
	h.mu.Unlock()

	select {
	case <-over:
	case <-ctx.Done():
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state == On
}

// examine has the list examined, unless that is going on, and returns a
// channel that is closed when it is over. The caller holds h.mu.
func (h *health) examine() <-chan struct{} {
	h.due = h.engine.now() + examineEvery
	return h.examination.begin(func() {
		ctx, cancel := context.WithTimeout(context.Background(), h.engine.config.ListTimeout)
		defer cancel()
		if why := h.family.examine(ctx, h.engine, h.list); why != "" {
			h.switchOff(why)
			return
		}
		h.pass()
	})
}

// pass notes that the list is as a list has to be.
func (h *health) pass() {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.engine.now()
	if h.state == Off {
		h.note(false, "on again after "+time.Since(h.since).Round(time.Second).String())
	}
	if h.state == On && time.Since(h.since) >= lastRetry {
		h.wait = 0
	}
	if h.state != On {
		h.state, h.why, h.since = On, "", time.Now()
	}
	h.examined, h.due, h.inARow = now, now+examineEvery, 0
}

// switchOff keeps the list from listing anybody, until it passes again. What
// it has said so far no longer counts: it may have been wrong already.
func (h *health) switchOff(why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wait = min(max(2*h.wait, firstRetry), lastRetry)
	h.due = h.engine.now() + h.wait
	if h.state != Off {
		h.edition.Store(h.engine.editions.Add(1))
		h.state, h.since, h.inARow = Off, time.Now(), 0
		h.note(true, "switched off, it lists nobody: "+why)
	}
	h.why = why
}

// answered counts an answer that can be relied on.
func (h *health) answered(listed bool) {
	if listed {
		h.listed.Add(1)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.inARow = 0
}

// unanswered counts a question without an answer.
func (h *health) unanswered(why string) {
	h.failed.Add(1)
	h.mu.Lock()
	h.inARow++
	tooMany := h.state != Off && h.inARow >= maxFailures
	now := h.engine.now()
	if h.state != Off && !tooMany && (h.complained == 0 || now-h.complained >= troubleEvery) {
		h.complained = max(now, 1)
		h.note(true, why)
	}
	h.mu.Unlock()
	if tooMany {
		h.switchOff(fmt.Sprintf("no answer to %d questions in a row: %s", maxFailures, why))
	}
}

// void counts an answer that is none: a list that refuses to serve us says so
// once and means it, anything else may be somebody else's fault.
func (h *health) void(o dnsbl.Outcome) {
	if local(o.Code) {
		h.failed.Add(1)
		h.switchOff(o.Fault)
		return
	}
	h.unanswered(o.Fault)
}

func (h *health) note(bad bool, text string) {
	h.engine.log(acl.Note{Pos: h.list.pos, Err: bad, Text: h.list.name + " for " + h.family.name + ": " + text})
}

// A round is something that goes on once at a time. Whoever wants it
// meanwhile waits for the one that is under way.
type round struct {
	mu   sync.Mutex
	over chan struct{} // nil: none is under way
}

// begin runs f in the background, unless one is under way, and returns a
// channel that is closed when it is over.
func (r *round) begin(f func()) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over == nil {
		over := make(chan struct{})
		r.over = over
		go func() {
			f()
			r.mu.Lock()
			r.over = nil
			r.mu.Unlock()
			close(over)
		}()
	}
	return r.over
}
