package launcher

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"doorward/acl"
	"doorward/launcher/journal"
	"doorward/launcher/sock"
	"doorward/launcher/when"
)

// Accept takes connections from l until ctx is done or l is closed, which are
// no errors. It leaves l open, and does not wait for the connections it took:
// Wait does.
func (s *Server) Accept(ctx context.Context, l *sock.Listener, p *Port) error {
	l.Take() // an earlier Lend may not have
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	defer interrupt(ctx, l)()
	c := crew{Server: s, ctx: ctx, fail: fail, l: l, port: p}
	for range min(runtime.GOMAXPROCS(0), maxAcceptors) {
		c.hire()
	}
	c.working.Wait()
	if err := context.Cause(ctx); err != ctx.Err() {
		return err
	}
	return nil
}

// interrupt has whoever waits at l wait no longer than until ctx is done. After
// end, nothing is left of that: others may wait there.
func interrupt(ctx context.Context, l *sock.Listener) (end func()) {
	l.SetDeadline(time.Time{})
	over := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(over)
		l.SetDeadline(time.Unix(1, 0))
	})
	return func() {
		if !stop() {
			<-over // or it would end the wait of the next one
		}
	}
}

// maxAcceptors bounds how many wait at one listener: a superdaemon may have
// hundreds of those, on a machine with as many processors.
const maxAcceptors = 8

// A crew are the acceptors of one listener.
//
// Each takes a client, judges it and starts its program, and then takes the
// next: nothing is handed from one goroutine to another, and there are as many
// as there are processors, or maxAcceptors. Where a client has to be waited for (a look-up, a
// banner, a command), its acceptor steps aside: it has somebody else accept in
// its place, and then has all the time it takes. So there are never fewer than
// that who accept, a client that can be judged at once costs no goroutine, and
// no more of them have been accepted than can be served at once: those that
// wait do so in the kernel, where they outlive this process.
//
// With a goroutine for each client, started by one that accepts and living as
// long as its program, the slowest of a hundred clients, 64 at once, got its
// first byte after 35 ms and now does after 22; and its stack was most of the
// 28 kB that a connection held.
type crew struct {
	*Server
	ctx  context.Context
	fail context.CancelCauseFunc
	l    *sock.Listener
	port *Port

	working sync.WaitGroup // acceptors
	short   atomic.Bool    // of descriptors or memory
}

func (c *crew) hire() {
	c.working.Add(1)
	go func() {
		a := &acceptor{crew: c}
		for a.crew != nil && a.next() {
		}
		if a.crew != nil {
			c.working.Done()
		}
	}()
}

// An acceptor is a goroutine that accepts, until it steps aside.
type acceptor struct{ crew *crew }

// stepAside is called before something that may take its time. Whoever does
// not accept, which is what a nil acceptor does not, has nothing to step aside
// from.
func (a *acceptor) stepAside() {
	if a == nil || a.crew == nil {
		return
	}
	a.crew.hire()
	a.crew.working.Done()
	a.crew = nil
}

// beforeAsking has the acceptor step aside before a fact is asked for that is
// not known.
func (a *acceptor) beforeAsking(r *acl.Request) {
	if a == nil || r.Ask == nil {
		return
	}
	ask := r.Ask
	r.Ask = func(f acl.Fact) acl.Answer {
		a.stepAside()
		return ask(f)
	}
}

// next serves the next client. It returns false at the end.
func (a *acceptor) next() bool {
	c := a.crew
	if c.ctx.Err() != nil || c.port.Gate.Wait(c.ctx) != nil {
		return false
	}
	c.port.pacer.wait(c.ctx)
	conn, err := c.l.Accept()
	switch {
	case err == nil:
		if c.short.Load() {
			c.short.Store(false)
		}
		c.admit(conn, a)
	case c.ctx.Err() != nil || errors.Is(err, os.ErrClosed):
		return false
	case isBusy(err):
		if !c.short.Swap(true) {
			c.note(c.port, "no room for another connection, clients wait: "+err.Error())
		}
		pause(c.ctx, busyPause)
	default:
		c.fail(err)
		return false
	}
	return true
}

func isBusy(err error) bool {
	_, busy := errors.AsType[*sock.BusyError](err)
	return busy
}

// busyPause is how long to wait for descriptors or memory before trying
// again: long enough not to spin, short enough that nobody times out.
const busyPause = 100 * time.Millisecond

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// admit lets a client through the gate, or turns it away.
func (c *crew) admit(conn sock.Conn, a *acceptor) {
	p, now := c.port, time.Now()
	svc := p.Service()
	if p.pacer.count(svc.Pace, now) {
		c.note(p, svc.Pace.String())
	}
	who := svc.source(conn)
	err := when.Open(svc.Conditions, now)
	if err == nil {
		err = enter(c.ctx, &p.Gate, who)
	}
	e := journal.Event{Time: now, Service: svc.Name, Remote: conn.Remote, Local: conn.Local}
	if err != nil {
		e.Kind, e.Err = journal.Refused, err
		c.turnAway(svc, conn, e)
		return
	}
	c.reportFull(p, now)
	line := &session{who: who, conn: conn, Session: Session{Port: p, Event: e}}
	line.Conn = &line.conn
	c.serve(p.Service(), conn, c.enter(line), a)
}

// enter waits for a place where another acceptor was faster. A server that is
// to end or to hand over cannot wait: it lets one more in, for who has been
// accepted is not sent away.
func enter(ctx context.Context, g *Gate, a netip.Addr) error {
	for {
		err := g.Enter(a, time.Now())
		if err != ErrFull {
			return err
		}
		if g.Wait(ctx) != nil {
			g.readmit(a)
			return nil
		}
	}
}
