package launcher

import (
	"net"
	"os"
	"syscall"
	"time"

	"doorward/launcher/builtin"
	"doorward/launcher/journal"
)

// handle has a client that was let in served by this process. It owns the
// connection.
func (s *Server) handle(v *visit) {
	v.acceptor.stepAside()
	v.ledger.leave(v.line) // what is here, rather than in a child, cannot be handed over
	v.svc.tune(v.fd)
	c, err := stream(v.fd)
	e, accepted := v.event, v.event.Time
	if err != nil {
		e.Kind, e.Err = journal.Failed, err
		s.Journal(e)
		return
	}
	defer c.Close()
	e.Kind = journal.Started
	s.Journal(e)
	if v.svc.MaxSession > 0 {
		defer time.AfterFunc(v.svc.MaxSession, func() { c.Close() }).Stop()
	}
	e.Err = v.svc.Handler(c)
	e.Kind, e.Time, e.Duration = journal.Ended, time.Now(), time.Since(accepted)
	s.Journal(e)
}

// stream makes a connection of package net of a descriptor, and closes that.
func stream(fd int) (builtin.Stream, error) {
	f := os.NewFile(uintptr(fd), "client")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	if s, ok := c.(builtin.Stream); ok {
		return s, nil
	}
	c.Close()
	return nil, syscall.ESOCKTNOSUPPORT
}
