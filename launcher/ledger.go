package launcher

import "sync"

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
	over     []*session    // whose programs have ended since it was frozen
}

// enter begins a line.
func (l *ledger) enter(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sessions == nil {
		l.sessions = make(map[*session]struct{})
	}
	l.sessions[s] = struct{}{}
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

// resume is begin for a program that has ended. While the ledger is frozen it
// returns false: the successor will wait for that program, or the thaw.
func (l *ledger) resume(s *session) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.frozen != nil {
		l.over = append(l.over, s)
		return false
	}
	l.setBusy(s, true)
	return true
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

func (l *ledger) freeze() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.frozen = make(chan struct{})
}

// thaw takes freeze back, and returns the sessions whose programs have ended
// in between.
func (l *ledger) thaw() []*session {
	l.mu.Lock()
	defer l.mu.Unlock()
	over := l.over
	close(l.frozen)
	l.frozen, l.over = nil, nil
	return over
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
