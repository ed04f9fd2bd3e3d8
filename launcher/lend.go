package launcher

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"doorward/acl"
	"doorward/launcher/journal"
	"doorward/launcher/run"
	"doorward/launcher/sock"
	"doorward/launcher/when"
)

// Lend serves a socket whose program takes all of it (xinetd's wait = yes):
// when there is something to accept or to receive, the program is started with
// the socket itself on its descriptors, and nobody else looks at the socket
// until it has ended. It returns as Accept does; a program that runs by then
// keeps the socket.
//
// Of datagrams, the rules judge the sender of the first one; who sends to the
// program while it runs is its own affair. A datagram that is not let in is
// taken out of the queue. Of connections nothing is known before they are
// accepted, which is the program's part: rules about addresses cannot let them
// in, and one that is kept out is accepted and reset.
//
// The program's environment has nothing about a client, for it has many.
func (s *Server) Lend(ctx context.Context, l *sock.Listener, p *Port) error {
	defer interrupt(ctx, l)()
	d := lender{Server: s, l: l, port: p}
	if !s.takeBack(ctx, l, p) {
		return nil
	}
	for ctx.Err() == nil { // looked at after drain, which may have hidden the deadline
		if err := p.Gate.Wait(ctx); err != nil {
			return nil
		}
		p.pacer.wait(ctx)
		err := l.Wait()
		switch {
		case ctx.Err() != nil || errors.Is(err, os.ErrClosed):
			return nil
		case err != nil:
			return err
		}
		d.lend(ctx)
	}
	return nil
}

// A lender has one socket to lend.
type lender struct {
	*Server
	l    *sock.Listener
	port *Port

	told   time.Time // when the journal last heard of somebody who was kept out
	untold int       // how many were since
}

// lend has whoever is first in the queue judged, and waits for the end of the
// program if it is started.
func (d *lender) lend(ctx context.Context) {
	now, svc := time.Now(), d.port.Service()
	var v *visit
	var child *run.Child
	err := d.l.Lend(func(fd int) (err error) {
		r, err := d.first(fd, svc.Daemon)
		if err != nil {
			return err
		}
		v = newVisit(svc, fd, r, now)
		v.lent, v.event.Datagram = true, d.l.Datagram()
		if v.event.Err = d.enter(r.Remote.Addr(), now); v.event.Err != nil {
			v.event.Kind = journal.Refused
			return nil
		}
		if v.judge() {
			child, err = v.start()
		}
		return err
	})
	switch {
	case v == nil: // the datagram was broken, and is gone, or came from nowhere
		d.l.Take()
		if !errors.Is(err, unix.EAGAIN) {
			d.drain(&journal.Event{})
		}
		pause(ctx, keptOutPause)
	case child == nil:
		d.l.Take()
		d.keepOut(v, err)
		if v.event.Kind != journal.Refused {
			d.port.Gate.Leave(v.request.Remote.Addr())
		}
		pause(ctx, keptOutPause)
	default:
		d.await(ctx, v, child)
	}
}

// first returns what is known about whoever is first in the queue: of a
// connection, nothing.
func (d *lender) first(fd int, daemon string) (*acl.Request, error) {
	if !d.l.Datagram() {
		return &acl.Request{Daemon: daemon, Local: d.l.Addr()}, nil
	}
	return sock.FromFD(fd, daemon)
}

func (d *lender) enter(a netip.Addr, now time.Time) error {
	svc := d.port.Service()
	if d.port.pacer.count(svc.Pace, now) {
		d.note(d.port, svc.Pace.String())
	}
	if err := when.Open(svc.Conditions, now); err != nil {
		return err
	}
	return d.port.Gate.Enter(a, now)
}

// await waits for the end of the program and takes the socket back, or leaves
// it to the program when ctx ends.
func (d *lender) await(ctx context.Context, v *visit, child *run.Child) {
	v.line = d.Server.enter(&session{who: v.request.Remote.Addr(), ended: make(chan struct{}),
		Session: Session{Port: d.port, Event: v.event, Lent: lentName(d.l)}})
	d.follow(v, child, nil)
	select {
	case <-v.line.ended:
		d.l.Take()
	case <-ctx.Done():
	}
}

// A sender that is kept out costs at most this much: one datagram in a
// keptOutPause, and a line in the journal in a toldEvery.
const (
	keptOutPause = time.Millisecond
	toldEvery    = time.Second
)

// keepOut takes whoever is first out of the queue. The error is that of
// starting the program: then the service does nothing for a while, since what
// failed fails again.
func (d *lender) keepOut(v *visit, err error) {
	e := v.event
	if err != nil {
		e.Kind, e.Err = journal.Failed, err
		d.port.pacer.rest(time.Now().Add(failedPause))
	}
	d.drain(&e)
	if time.Since(d.told) < toldEvery {
		d.untold++
		return
	}
	if d.untold > 0 {
		d.note(d.port, fmt.Sprintf("%d more kept out", d.untold))
	}
	d.told, d.untold = time.Now(), 0
	d.Journal(e)
}

// failedPause is how long a service whose program could not be started waits
// before it is tried again.
const failedPause = time.Second

// drain takes one datagram or connection out of the queue.
func (d *lender) drain(e *journal.Event) {
	if d.l.Datagram() {
		d.l.Lend(func(fd int) error {
			_, _, err := unix.Recvfrom(fd, make([]byte, 1), unix.MSG_DONTWAIT)
			return err
		})
		d.l.Take()
		return
	}
	d.l.SetDeadline(time.Now().Add(keptOutPause)) // it may have left
	if c, err := d.l.Accept(); err == nil {
		e.Remote, e.Local = c.Remote, c.Local
		c.Reset()
	}
	d.l.SetDeadline(time.Time{})
}
