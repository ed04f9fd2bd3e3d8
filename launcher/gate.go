package launcher

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"
)

// Limits bound how much of the machine one service may use. The zero Limits
// are none.
type Limits struct {
	Max       int // connections served at once; 0: any number (xinetd instances, tcpserver -c)
	PerSource int // of those, for one client address; 0: any number (xinetd per_source)

	// Rate is how often the clients of one prefix may come.
	Rate Rate

	// PerPrefix is how many of those served at once may be of one prefix; 0:
	// any number.
	PerPrefix int

	// PrefixV4 and PrefixV6 are the bits of an address that make a source for
	// Rate and PerPrefix; 0: 32 and 64.
	PrefixV4, PrefixV6 int
}

// What keeps a client out at a Gate.
var (
	ErrFull   = errors.New("too many connections")
	ErrSource = errors.New("too many connections from this address")
	ErrPrefix = errors.New("too many connections from this network")
	ErrRate   = errors.New("connections from this source are too frequent")
)

// A Gate counts the connections of one service and holds them to its limits.
//
// At Max, a listener stops accepting: clients wait in the kernel's queue, in
// order, at no cost, and nobody is turned away who need not be. At PerSource
// or PerPrefix, or when it comes more often than Rate, a client is turned away, since
// otherwise one source could fill the queue for everybody.
//
// A Gate is shared by all listeners of a service and outlives a reload. Its
// zero value has no limits.
type Gate struct {
	mu      sync.Mutex
	limits  Limits
	running int
	sources map[netip.Addr]int // connections of each client that is in
	nets    map[netip.Addr]int // the same, by prefix; nil unless there is a PerPrefix
	meter   meter              // how often each source came
	room    chan struct{}      // closed when there may be room; nil while nobody waits
}

// Set changes the limits. Connections that are in stay in.
func (g *Gate) Set(l Limits) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limits = l
	g.nets = nil
	if l.PerPrefix > 0 {
		g.nets = make(map[netip.Addr]int)
		for a, n := range g.sources {
			g.nets[l.source(a)] += n
		}
	}
	g.wake()
}

// Wait returns nil as soon as there is room for another connection, or the
// error of ctx. It takes no place: somebody else may be faster.
func (g *Gate) Wait(ctx context.Context) error {
	for {
		room := g.waitRoom()
		if room == nil {
			return nil
		}
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// waitRoom returns nil if there is room, else a channel that is closed when
// there may be.
func (g *Gate) waitRoom() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.full() {
		return nil
	}
	if g.room == nil {
		g.room = make(chan struct{})
	}
	return g.room
}

// Enter takes a place for a client that came from a at the time now, or
// returns ErrFull, ErrSource, ErrPrefix or ErrRate; who is turned away does not count.
// Whoever gets in calls Leave with the same address, once.
func (g *Gate) Enter(a netip.Addr, now time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.full() {
		return ErrFull
	}
	if err := g.admits(a, now); err != nil {
		return err
	}
	g.count(a)
	return nil
}

// admits says what is to be said of the source of a client. One that is not
// known, yet, has no limits.
func (g *Gate) admits(a netip.Addr, now time.Time) error {
	if !a.IsValid() {
		return nil
	}
	if g.limits.PerSource > 0 && g.sources[a] >= g.limits.PerSource {
		return ErrSource
	}
	if g.nets != nil && g.nets[g.limits.source(a)] >= g.limits.PerPrefix {
		return ErrPrefix
	}
	if g.limits.Rate.Count > 0 && !g.meter.take(g.limits.Rate, g.limits.source(a), now) {
		return ErrRate
	}
	return nil
}

// readmit takes a place for a client that is not to be turned away, whatever
// the limits are.
func (g *Gate) readmit(a netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count(a)
}

func (g *Gate) count(a netip.Addr) {
	if g.sources == nil {
		g.sources = make(map[netip.Addr]int)
	}
	g.sources[a]++
	if g.nets != nil {
		g.nets[g.limits.source(a)]++
	}
	g.running++
}

// Leave gives a place back.
func (g *Gate) Leave(a netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.uncount(a)
	if !g.full() {
		g.wake()
	}
}

func (g *Gate) uncount(a netip.Addr) {
	g.running--
	if g.sources[a]--; g.sources[a] == 0 {
		delete(g.sources, a)
	}
	if net := g.limits.source(a); g.nets != nil {
		if g.nets[net]--; g.nets[net] == 0 {
			delete(g.nets, net)
		}
	}
}

// Running returns how many are in, and whether that is as many as may be.
func (g *Gate) Running() (n int, full bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.running, g.full()
}

func (g *Gate) full() bool { return g.limits.Max > 0 && g.running >= g.limits.Max }

func (g *Gate) wake() {
	if g.room != nil {
		close(g.room)
		g.room = nil
	}
}

// Sources returns how many client addresses are in.
func (g *Gate) Sources() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.sources)
}
