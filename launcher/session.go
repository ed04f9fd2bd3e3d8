package launcher

import (
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"doorward/launcher/journal"
	"doorward/launcher/run"
	"doorward/launcher/sock"
)

// A session is one line of the ledger: a client with a place at the gate of
// its port, until it leaves. It is the run.Watcher of its program.
type session struct {
	Session
	server *Server
	who    netip.Addr // whom its place at the gate is counted for; the connection's goroutine has it
	conn   sock.Conn  // where Conn points to at first

	ended chan struct{} // closed when it leaves; nil if nobody waits for that
	child *run.Child    // its program; nil until that runs
	stop  func()        // takes back that the program will be told to end; nil: it will not

	busy bool // neither to be begun again nor to be left to run
}

// enter begins a session, which has a place at the gate of its port.
func (s *Server) enter(v *session) *session {
	v.server = s
	s.ledger.enter(v)
	s.conns.Add(1)
	return v
}

// leave ends a session.
func (v *session) leave() {
	v.server.ledger.leave(v)
	v.Port.Gate.Leave(v.who)
	if v.ended != nil {
		close(v.ended)
	}
	v.server.conns.Done()
}

// watch leaves a session to its program: until that ends, nothing here waits
// for it but what is in v.
func (v *session) watch(svc *Service, child *run.Child, e journal.Event) {
	v.child = child
	if svc.MaxSession > 0 {
		v.limit(svc.MaxSession, e)
	}
	v.server.ledger.done(v, func(s *Session) { s.Event, s.Conn = e, nil })
	child.Watch(v)
}

// Exited is for run.Watcher.
func (v *session) Exited() bool { return v.server.ledger.resume(v) }

// Ended is for run.Watcher.
func (v *session) Ended(status run.Status, err error) {
	if v.stop != nil {
		v.stop()
	}
	e, now := v.Event, time.Now()
	e.Kind, e.Time, e.Duration, e.Status, e.Err = journal.Ended, now, now.Sub(e.Time), status, err
	v.server.Journal(e)
	v.leave()
}

// termTime is how long a program that is told to end may take to do so.
const termTime = 5 * time.Second

// limit ends the program if it runs for too long. An adopted one has run for a
// while.
func (v *session) limit(most time.Duration, e journal.Event) {
	child, hear := v.child, v.server.Journal
	left := max(0, most-time.Since(e.Time))
	kill := time.AfterFunc(left+termTime, func() { child.KillGroup(syscall.SIGKILL) })
	term := time.AfterFunc(left, func() {
		if child.KillGroup(syscall.SIGTERM) == nil {
			hear(journal.Event{Kind: journal.Noted, Time: time.Now(), Service: e.Service, Remote: e.Remote,
				Text: fmt.Sprintf("pid %d is told to end: it has run for %v", e.PID, time.Since(e.Time).Round(time.Millisecond))})
		}
	})
	v.stop = func() { term.Stop(); kill.Stop() }
}
