package launcher

import (
	"context"
	"net/netip"
	"time"

	"doorward/acl"
)

// A Memory is what a port knows of clients that are not in: how often they
// came. One generation of a superdaemon leaves it to the next, as text. It has
// no more sources than the port may remember, 65,536. The zero Memory is of
// nobody.
type Memory struct {
	Sources map[netip.Addr]time.Time `json:",omitempty"` // when each, by Limits.Rate, has its whole allowance back

	Second time.Time // when the second began in which Came counts, by the Pace
	Came   int
	Break  time.Time // when the break ends
}

// Memory returns what the port knows that still matters at the time now.
func (p *Port) Memory(now time.Time) Memory {
	m := &p.pacer
	m.mu.Lock()
	defer m.mu.Unlock()
	return Memory{Sources: p.Gate.rated(now), Second: m.second, Came: m.came, Break: m.until}
}

// Recall gives a new port the memory of an earlier one, at the time now.
func (p *Port) Recall(memory Memory, now time.Time) {
	p.Gate.recall(memory.Sources, now)
	m := &p.pacer
	m.mu.Lock()
	defer m.mu.Unlock()
	m.second, m.came, m.until = memory.Second, memory.Came, memory.Break
}

// rated returns the sources that do not have their whole allowance.
func (g *Gate) rated(now time.Time) map[netip.Addr]time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := make(map[netip.Addr]time.Time)
	for _, half := range []map[netip.Addr]time.Time{g.meter.old, g.meter.young} { // the young one knows better
		for a, back := range half {
			if back.After(now) {
				all[a] = back
			}
		}
	}
	return all
}

// recall makes them young again: they are remembered for a period at least,
// after which each has its allowance back.
func (g *Gate) recall(sources map[netip.Addr]time.Time, now time.Time) {
	if len(sources) == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.meter = meter{young: sources, turned: now}
}

// A Sighting is a client that Sensors keep out.
type Sighting struct {
	Client netip.Addr // of an IPv6 /64, the first
	Until  time.Time  // zero: for good
	Rule   acl.Pos
}

// Sightings returns whom the sensors keep out at the time now, in no order:
// 65,536 at most.
func (s *Sensors) Sightings(now time.Time) []Sighting {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(now)
	all := make([]Sighting, 0, len(s.seen))
	for a, v := range s.seen {
		all = append(all, Sighting{a, v.until, v.rule})
	}
	return all
}

// Recall has the sensors keep out, beside whom they do, whom others did. Those
// there is no room for are forgotten.
func (s *Sensors) Recall(sightings []Sighting) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = make(map[netip.Addr]sighting, len(sightings))
	}
	for _, v := range sightings[:min(len(sightings), maxSeen-len(s.seen))] {
		s.seen[v.Client] = sighting{v.Until, v.Rule}
	}
}

// refusalsPause is how often Refusals looks again.
const refusalsPause = 5 * time.Millisecond

// Refusals waits until no refused client is being talked to any more, or ctx
// is done, and returns how many are left. After Freeze none are added.
func (s *Server) Refusals(ctx context.Context) (left int) {
	for ctx.Err() == nil && s.refusing.Load() > 0 {
		pause(ctx, refusalsPause)
	}
	return int(s.refusing.Load())
}
