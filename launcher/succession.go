package launcher

import (
	"context"
	"encoding/json"

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

// Freeze stops everything, and returns the sessions there are, for a
// successor to Adopt. Accept must have returned. What is being done just then
// is waited for until ctx is done; lost is how many connections had not come
// to a point by then at which they could be handed over. Refused clients that
// are being talked to are not counted.
func (s *Server) Freeze(ctx context.Context) (sessions []Session, lost int) {
	l := &s.ledger
	l.freeze()
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
	for _, v := range s.ledger.thaw() {
		v.child.Watch(v)
	}
}

// Adopt takes a session over from a predecessor, at a port whose service is
// set. It counts, whatever the limits say by now.
func (s *Server) Adopt(v Session) {
	unblock(v.Conn)
	svc, who := v.Port.Service(), v.Event.Remote.Addr()
	if v.Conn != nil && !v.Introduced {
		who = svc.source(*v.Conn)
	}
	v.Port.Gate.readmit(who)
	line := s.enter(&session{Session: v, who: who, ended: make(chan struct{})})
	if v.Conn == nil {
		line.watch(svc, run.Adopt(v.Event.PID), v.Event)
		return
	}
	go s.serve(svc, *v.Conn, line, nil)
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

// MarshalJSON leaves out what does not outlive a process.
func (v Session) MarshalJSON() ([]byte, error) {
	type plain Session
	v.Event.Err, v.Event.Notes = nil, nil // Started and Replaced have no error, and notes are told at once
	return json.Marshal(plain(v))
}
