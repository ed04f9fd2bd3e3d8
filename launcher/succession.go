package launcher

import (
	"context"
	"encoding/json"
	"net/netip"
	"sync"
	"time"

	"doorward/launcher/journal"
	"doorward/launcher/run"
	"doorward/launcher/sock"
)

// A Session is a connection as one generation of a superdaemon hands it to
// the next, which is the same process with another program in it: children
// stay children, and descriptors stay open.
//
// Either its program runs: then Event says which and for whom. Or nothing has
// been done about it yet: then Conn is the connection, to be judged afresh.
type Session struct {
	Port    *Port `json:"-"`
	Event   journal.Event
	Conn    *sock.Conn `json:",omitempty"`
	Greeted bool       `json:",omitempty"` // what every client is sent first was sent

	Introduced bool `json:",omitempty"` // its PROXY header was read

	// Lent names the socket that the program has to itself (Lend); "": none.
	Lent string `json:",omitempty"`
}

// A ledger knows what stands where, so that there is a moment at which every
// connection can be handed over: undecided ones are stopped before anything
// is done about them, ended programs before they are reaped, and what is in
// between is waited for. The zero ledger is ready for use.
type ledger struct {
	mu       sync.Mutex
	sessions map[*session]struct{}
	busy     int
	idle     chan struct{} // closed when busy falls to 0; nil while nobody waits
	frozen   chan struct{} // closed at the thaw; nil unless frozen
}

// A session is one line of the ledger. A nil session is in no ledger; its
// steps do nothing.
type session struct {
	Session
	who netip.Addr // whom its place at the gate is counted for; the connection's goroutine has it

	ended chan struct{} // closed when the program has ended; nil unless Lent

	busy bool // neither to be begun again nor to be left to run
}

// enter begins a line.
func (l *ledger) enter(s *session) *session {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sessions == nil {
		l.sessions = make(map[*session]struct{})
	}
	l.sessions[s] = struct{}{}
	return s
}

// begin is called before something is done that cannot be done twice. While
// the ledger is frozen it does not return: nothing is done any more.
func (l *ledger) begin(s *session) {
	if s == nil {
		return
	}
	for {
		l.mu.Lock()
		thaw := l.frozen
		if thaw == nil {
			l.setBusy(s, true)
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
		<-thaw
	}
}

// done is called when it has been done; change brings the line up to date.
func (l *ledger) done(s *session, change func(*Session)) {
	if s == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&s.Session)
	l.setBusy(s, false)
}

// leave ends a line.
func (l *ledger) leave(s *session) {
	if s == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.setBusy(s, false)
	delete(l.sessions, s)
}

func (l *ledger) setBusy(s *session, busy bool) {
	if s.busy == busy {
		return
	}
	s.busy = busy
	if busy {
		l.busy++
		return
	}
	if l.busy--; l.busy == 0 && l.idle != nil {
		close(l.idle)
		l.idle = nil
	}
}

// quiet returns a channel that is closed when nobody is busy.
func (l *ledger) quiet() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := make(chan struct{})
	if l.busy == 0 {
		close(c)
		return c
	}
	if l.idle == nil {
		l.idle = c
	}
	return l.idle
}

// Freeze stops everything, and returns the sessions there are, for a
// successor to Adopt. Accept must have returned. What is being done just then
// is waited for until ctx is done; lost is how many connections had not come
// to a point by then at which they could be handed over. Refused clients that
// are being talked to are not counted.
func (s *Server) Freeze(ctx context.Context) (sessions []Session, lost int) {
	l := &s.ledger
	l.mu.Lock()
	l.frozen = make(chan struct{})
	l.mu.Unlock()
	select {
	case <-l.quiet():
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for v := range l.sessions {
		if !v.busy {
			sessions = append(sessions, v.Session)
		}
	}
	return sessions, l.busy
}

// Thaw takes Freeze back: everything goes on as if nothing had been.
func (s *Server) Thaw() {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	close(s.ledger.frozen)
	s.ledger.frozen = nil
}

// Adopt takes a session over from a predecessor, at a port whose service is
// set. It counts, whatever the limits say by now.
func (s *Server) Adopt(v Session) {
	unblock(v.Conn)
	who := v.Event.Remote.Addr()
	if v.Conn != nil && !v.Introduced {
		who = v.Port.Service().source(*v.Conn)
	}
	v.Port.Gate.readmit(who)
	line := s.ledger.enter(&session{Session: v, who: who, ended: make(chan struct{})})
	s.conns.Add(1)
	go func() {
		defer s.conns.Done()
		defer close(line.ended)
		defer func() { v.Port.Gate.Leave(line.who) }()
		defer s.ledger.leave(line)
		if v.Conn != nil {
			s.serve(v.Port.Service(), *v.Conn, v.Event.Time, line)
			return
		}
		s.watch(v.Port.Service(), run.Adopt(v.Event.PID), v.Event, line)
	}()
}

// lentName tells the sockets of a port apart, in every generation.
func lentName(l *sock.Listener) string {
	if l.Datagram() {
		return "udp " + l.Addr().String()
	}
	return "tcp " + l.Addr().String()
}

// takeBack waits for the program that has the socket, lent by an earlier Lend
// or an earlier generation, and takes it back. It returns false if ctx ends
// before.
func (s *Server) takeBack(ctx context.Context, l *sock.Listener, p *Port) bool {
	for _, ended := range s.ledger.lent(lentName(l), p) {
		select {
		case <-ended:
		case <-ctx.Done():
			return false
		}
	}
	l.Take()
	return true
}

// lent returns what is closed when a socket is back.
func (l *ledger) lent(name string, p *Port) (all []<-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s := range l.sessions {
		if s.Lent == name && s.Port == p {
			all = append(all, s.ended)
		}
	}
	return all
}

// watch sees a program through that runs, and keeps the journal.
func (s *Server) watch(svc *Service, child *run.Child, e journal.Event, line *session) {
	accepted := e.Time
	if svc.MaxSession > 0 {
		defer s.limit(child, svc.MaxSession, e)()
	}
	if line != nil {
		s.ledger.done(line, func(v *Session) { v.Event, v.Conn = e, nil })
		child.Exited()
		s.ledger.begin(line) // not while frozen: the successor reaps it
	}
	var err error
	e.Status, err = child.Wait()
	e.Kind, e.Time, e.Duration, e.Err = journal.Ended, time.Now(), time.Since(accepted), err
	s.Journal(e)
}

// MarshalJSON leaves out what does not outlive a process.
func (v Session) MarshalJSON() ([]byte, error) {
	type plain Session
	v.Event.Err, v.Event.Notes = nil, nil // Started and Replaced have no error, and notes are told at once
	return json.Marshal(plain(v))
}
