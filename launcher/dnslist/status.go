package dnslist

import (
	"context"
	"net/netip"
	"time"

	"doorward/acl"
	"doorward/acl/dnsbl"
)

// A ListStatus is how a list fares.
type ListStatus struct {
	Zone       string
	Allow      bool    // an allow list
	Pos        acl.Pos // where it was named
	IPv4, IPv6 Health
}

// A Health is how a list fares with clients of one family.
type Health struct {
	State State
	Why   string    // it is off
	Since time.Time // it is on or off; zero: unexamined
	Next  time.Time // when it is examined again, unless a client's listing has it examined before

	Asked, Failed, Listed uint64 // questions for clients; of those without an answer; of those that found the client listed
}

// Status returns how each list in use fares, in the order they were named.
func (e *Engine) Status() []ListStatus {
	lists := e.inUse()
	all := make([]ListStatus, len(lists))
	for i, l := range lists {
		all[i] = ListStatus{Zone: l.name, Allow: l.allow, Pos: l.pos, IPv4: l.health[0].status(), IPv6: l.health[1].status()}
	}
	return all
}

func (h *health) status() Health {
	h.mu.Lock()
	defer h.mu.Unlock()
	return Health{
		State: h.state, Why: h.why, Since: h.since,
		Next:  h.engine.start.Add(h.due),
		Asked: h.asked.Load(), Failed: h.failed.Load(), Listed: h.listed.Load(),
	}
}

// Counts are numbers of the whole engine.
type Counts struct {
	Cached, CachedBytes int          // answers that are kept, and what they count for
	Asking, Waiting     int          // questions of clients under way; those that wait for their turn
	Rewriting           []netip.Addr // what the resolver puts in place of "no such name"; nil: nothing
}

// Counts returns the numbers as they are now.
func (e *Engine) Counts() Counts {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := Counts{
		Cached: e.cache.Len(), CachedBytes: e.cache.Size(),
		Asking: e.asking, Waiting: len(e.queue),
	}
	if addrs := e.rewriting.addrs.Load(); addrs != nil {
		c.Rewriting = *addrs
	}
	return c
}

// An Explanation is what one list says about a client, and what that comes to.
type Explanation struct {
	Zone    *dnsbl.Zone
	Name    string // what was asked for
	Answer  acl.Answer
	Outcome dnsbl.Outcome
	Err     error         // why there is no answer; nil where there is one
	TTL     time.Duration // how long the answer is kept from now on
	Took    time.Duration // 0: it was kept from before
}

// Explain asks all lists of l about a, and waits for all of them, within the
// engine's Timeout.
func (e *Engine) Explain(ctx context.Context, a netip.Addr, l *dnsbl.Lists) []Explanation {
	if !a.IsValid() {
		return nil
	}
	rs := e.ask(ctx, e.plan(l), a, func([]result) bool { return false })
	all := make([]Explanation, len(rs))
	for i, r := range rs {
		z := &l.Zones[i]
		all[i] = Explanation{
			Zone: z, Name: dnsbl.Query(a.WithZone(""), z.Name),
			Answer: r.answer, Outcome: z.Judge(r.answer), Err: r.err,
			TTL: max(r.ends-e.now(), 0), Took: r.took,
		}
	}
	return all
}
