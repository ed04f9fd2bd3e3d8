// Package launcher serves connections: it accepts them, has them judged, and
// starts a program for each that is let in.
//
// A [Service] says who may come and what is started. A [Port] is where its
// clients come to; it keeps the count of who is in, and its service can be
// replaced by another while connections are served. A [Server] does the work:
// one goroutine a listener accepts, one goroutine a connection sees it through
// from the decision to the end of its program.
// A service may do without a program (Service.Handler), and a program may take
// the whole socket (Server.Lend).
//
// For each connection, in this order: the pace (else: wait in the kernel), the
// conditions of the service (else: reset), a place at the gate (else: reset, or
// wait in the kernel), the decision, the options of the rule (spawn, banners
// ...), the environment, the program. A client that is kept out costs no
// process; if its decision has a reply, it is told so in SMTP.
package launcher

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"doorward/launcher/journal"
	"doorward/launcher/sock"
)

// A Server serves the connections of any number of ports. Its fields must not
// change after the first call of Accept.
type Server struct {
	Journal journal.Sink // hears of everything; must not be nil

	conns    sync.WaitGroup // connections being served
	ledger   ledger         // the same, one by one
	refusing atomic.Int64   // clients being told that they are refused
}

// A Port is a service and the count of its connections. Several listeners may
// lead to one port. Set it before it is used.
type Port struct {
	Gate Gate

	service atomic.Pointer[Service]
	pacer   pacer
	full    atomic.Int64 // when the journal last heard that the port was full, in Unix seconds
}

// Set puts a service in the place of the one before. Connections that are
// being judged are judged by the old one, whole; running programs go on.
func (p *Port) Set(s *Service) { p.service.Store(s) }

// Service returns the service that the next connection will get.
func (p *Port) Service() *Service { return p.service.Load() }

// Accept takes connections from l until ctx is done or l is closed, which are
// no errors. It leaves l open, and does not wait for the connections it took:
// Wait does.
func (s *Server) Accept(ctx context.Context, l *sock.Listener, p *Port) error {
	l.SetDeadline(time.Time{}) // an earlier Accept may have left one
	l.Take()                   // an earlier Lend may not have
	stop := context.AfterFunc(ctx, func() { l.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	busy := false
	for {
		if err := p.Gate.Wait(ctx); err != nil {
			return nil
		}
		p.pacer.wait(ctx)
		c, err := l.Accept()
		var room *sock.BusyError
		switch {
		case err == nil:
			busy = false
			s.admit(ctx, p, c)
		case ctx.Err() != nil || errors.Is(err, os.ErrClosed):
			return nil
		case errors.As(err, &room):
			if !busy {
				s.note(p, "no room for another connection, clients wait: "+err.Error())
			}
			busy = true
			pause(ctx, busyPause)
		default:
			return err
		}
	}
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
func (s *Server) admit(ctx context.Context, p *Port, c sock.Conn) {
	now, svc := time.Now(), p.Service()
	if p.pacer.count(svc.Pace, now) {
		s.note(p, svc.Pace.String())
	}
	err := svc.open(now)
	if err == nil {
		err = enter(ctx, &p.Gate, svc.source(c))
	}
	if err != nil {
		s.turnAway(svc, c, journal.Event{Kind: journal.Refused, Time: now, Service: svc.Name, Remote: c.Remote, Local: c.Local, Err: err})
		return
	}
	s.reportFull(p, now)
	line := s.ledger.enter(&session{who: svc.source(c), Session: Session{Port: p, Conn: &c,
		Event: journal.Event{Time: now, Service: svc.Name, Remote: c.Remote, Local: c.Local}}})
	s.conns.Add(1)
	go func() {
		defer s.conns.Done()
		defer func() { p.Gate.Leave(line.who) }()
		defer s.ledger.leave(line)
		s.serve(p.Service(), c, now, line)
	}()
}

// turnAway sends a client away, with what the socket takes of a banner at
// once: a flood is not waited for. Without a banner the connection is reset.
func (s *Server) turnAway(svc *Service, c sock.Conn, e journal.Event) {
	defer func() { s.Journal(e) }()
	b := &svc.Banners
	if b.Always == "" && b.Fail == "" {
		c.Reset()
		return
	}
	b.send(c.FD, b.Always, e.Time, &e)
	b.send(c.FD, b.Fail, e.Time, &e)
	c.Close()
}

// enter waits for a place where another listener was faster. A server that is
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

// fullEvery is how many seconds pass between two reports of a full port.
const fullEvery = 60

// reportFull tells the journal, once a minute at most, that clients wait.
func (s *Server) reportFull(p *Port, now time.Time) {
	n, full := p.Gate.Running()
	last := p.full.Load()
	if !full || now.Unix() < last+fullEvery || !p.full.CompareAndSwap(last, now.Unix()) {
		return
	}
	s.Journal(journal.Event{Kind: journal.Full, Time: now, Service: p.Service().Name, Running: n})
}

func (s *Server) note(p *Port, text string) {
	s.Journal(journal.Event{Kind: journal.Noted, Time: time.Now(), Service: p.Service().Name, Text: text})
}

// Wait returns when every connection that was accepted has ended, or with the
// error of ctx. Accept must have returned.
func (s *Server) Wait(ctx context.Context) error {
	done := make(chan struct{})
	go func() { s.conns.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
