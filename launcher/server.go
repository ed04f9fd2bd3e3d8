// Package launcher serves connections: it accepts them, has them judged, and
// starts a program for each that is let in.
//
// A [Service] says who may come and what is started. A [Port] is where its
// clients come to; it keeps the count of who is in, and its service can be
// replaced by another while connections are served. A [Server] does the work:
// some goroutines a listener accept and see a client through to the start of
// its program (see crew); the end of that comes to the session.
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
