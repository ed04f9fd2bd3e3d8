package dnslist

import (
	"context"
	"net/netip"
	"time"

	"doorward/acl"
	"doorward/acl/dnsbl"
	"doorward/launcher/lookup"
)

// Finder returns what finds acl.Listed out for requests that ls decide about.
// The first list that is asked about has all lists of its policy asked, at once,
// and as soon as no further answer can change the decision the request learns
// them all: one that is not heard by then, or switched off, is Unknown, and one
// that failed or took too long is Failed. Zones that none of ls has are Unknown.
//
// No request waits longer than the engine's Timeout, and none longer than its
// context allows. The answers read as [dnsbl.Listing] says.
func (e *Engine) Finder(ls ...*dnsbl.Lists) lookup.Finder {
	plans := make([]*plan, len(ls))
	for i, l := range ls {
		plans[i] = e.plan(l)
	}
	return func(ctx context.Context, r *acl.Request, zone string) acl.Answer {
		a := r.Remote.Addr()
		for _, p := range plans {
			if i := p.index(zone); i >= 0 && a.IsValid() {
				return e.learn(ctx, r, p, i)
			}
		}
		return acl.Answer{}
	}
}

// Attach gives r an Ask that finds acl.Listed out for ls, and asks whatever r
// had before for every other fact.
func (e *Engine) Attach(ctx context.Context, r *acl.Request, ls ...*dnsbl.Lists) {
	find, before := e.Finder(ls...), r.Ask
	r.Ask = func(f acl.Fact) acl.Answer {
		switch {
		case f.Kind == acl.Listed:
			return find(ctx, r, f.Arg)
		case before != nil:
			return before(f)
		}
		return acl.Answer{}
	}
}

// A plan is a policy with what is known about its lists.
type plan struct {
	*dnsbl.Lists
	lists []*list // of Zones
}

func (e *Engine) plan(l *dnsbl.Lists) *plan {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := &plan{Lists: l}
	for i := range l.Zones {
		p.lists = append(p.lists, e.list(&l.Zones[i]))
	}
	return p
}

// index returns which of the lists is called zone, or -1.
func (p *plan) index(zone string) int {
	for i := range p.Zones {
		if p.Zones[i].Name == zone {
			return i
		}
	}
	return -1
}

// settled reports whether results decide.
func (p *plan) settled(rs []result) bool {
	return p.Settled(func(zone string) (acl.Answer, bool) {
		r := rs[p.index(zone)]
		return r.answer, r.known
	})
}

// learn tells r what all lists of p say, and returns what list i does.
func (e *Engine) learn(ctx context.Context, r *acl.Request, p *plan, i int) acl.Answer {
	rs := e.ask(ctx, p, r.Remote.Addr(), p.settled)
	for j := range rs {
		if _, known := r.Known(acl.Listed, p.Zones[j].Name); !known && j != i {
			r.Learn(acl.Listed, p.Zones[j].Name, rs[j].answer)
		}
	}
	return rs[i].answer
}

// ask asks all lists of p about an address until what is known is enough, or
// the time is over.
func (e *Engine) ask(ctx context.Context, p *plan, a netip.Addr, enough func([]result) bool) []result {
	a = a.Unmap().WithZone("")
	rs := make([]result, len(p.lists))
	if missing := e.recall(p, a, rs); missing == 0 || enough(rs) {
		return rs
	}
	ctx, cancel := context.WithTimeout(ctx, e.config.Timeout)
	defer cancel()
	for landed := e.takeOff(p, a, rs); missing(rs) > 0 && !enough(rs); {
		select {
		case l := <-landed:
			rs[l.index] = l.result
		case <-ctx.Done():
			giveUp(rs)
		}
	}
	return rs
}

// recall fills in what is known without asking, and returns how much is not.
func (e *Engine) recall(p *plan, a netip.Addr, rs []result) (missing int) {
	now := e.now()
	f := familyOf(a)
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, l := range p.lists {
		k := key{a.As16(), l.health[f].edition.Load()}
		rs[i].answer, rs[i].ends, rs[i].known = e.cache.Get(k, now)
		if !rs[i].known {
			missing++
		}
	}
	return missing
}

// takeOff asks every list whose result is not known. The channel has room for
// all results, so that nobody has to listen to the end.
func (e *Engine) takeOff(p *plan, a netip.Addr, rs []result) <-chan landing {
	f := familyOf(a)
	ch := make(chan landing, len(rs))
	for i, l := range p.lists {
		h := l.health[f]
		switch {
		case rs[i].known:
		case !h.usable():
			rs[i] = result{known: true, err: errOff}
		}
	}
	e.joinAll(p, a, rs, ch)
	e.depart()
	return ch
}

// joinAll puts the questions whose results are not known.
func (e *Engine) joinAll(p *plan, a netip.Addr, rs []result, ch chan<- landing) {
	f := familyOf(a)
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, l := range p.lists {
		h := l.health[f]
		if !rs[i].known && !e.join(key{a.As16(), h.edition.Load()}, h, waiter{ch, i}) {
			rs[i] = failure(errBusy)
		}
	}
}

// missing counts the results that are not known.
func missing(rs []result) (n int) {
	for i := range rs {
		if !rs[i].known {
			n++
		}
	}
	return n
}

// giveUp makes failures of the results that are not known.
func giveUp(rs []result) {
	for i := range rs {
		if !rs[i].known {
			rs[i] = failure(errLate)
		}
	}
}

func failure(err error) result {
	return result{known: true, answer: acl.Answer{Status: acl.Failed}, err: err, took: time.Nanosecond}
}
