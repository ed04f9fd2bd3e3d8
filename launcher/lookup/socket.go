package lookup

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

const (
	maxUses   = 64          // questions that one socket sends
	maxAge    = time.Second // for so long it takes questions
	maxStrays = 16          // replies to no question of it, after which none is believed
)

// errForged asks for TCP, where nobody can answer who does not see the
// question.
var errForged = errors.New("replies to questions that were not asked")

// A call is one question under way over UDP.
type call struct {
	question
	id   uint16
	end  time.Time            // for so long it waits for an answer
	done func(Records, error) // is told the answer, once, and does not block
}

// A socket waits for the answers to the questions that went out from it, until
// the last one has come or is no longer waited for.
type socket struct {
	conn   *net.UDPConn
	server netip.AddrPort
	buf    [maxUDP + 1]byte // one more, to see that a reply was longer

	mu      sync.Mutex
	asked   [maxUses]asked
	used    int // of asked
	waiting int // of those, for an answer
	strays  int
	retired bool      // it takes no more questions
	old     time.Time // when it retires of age
	wake    time.Time // when its goroutine looks whose time is over
}

// An asked is an id that was sent. Without a call nobody waits any more: what
// comes under that id is late, or comes twice.
type asked struct {
	id uint16
	*call
}

// openSocket opens a socket for questions to a server. It is connected: the
// kernel drops what comes from elsewhere.
func openSocket(server netip.AddrPort) (*socket, error) {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(server))
	if err != nil {
		return nil, err
	}
	old := time.Now().Add(maxAge)
	s := &socket{conn: conn, server: server, old: old, wake: old}
	conn.SetReadDeadline(old)
	go s.read()
	return s, nil
}

// enter has s wait for c, and chooses its id, unless s takes no more.
func (s *socket) enter(c *call) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.retired {
		return false
	}
	for c.id = newID(); s.find(c.id) != nil; {
		c.id = newID()
	}
	s.asked[s.used] = asked{c.id, c}
	s.used++
	s.waiting++
	s.retired = s.used == maxUses
	if c.end.Before(s.wake) {
		s.wake = c.end
		s.conn.SetReadDeadline(c.end)
	}
	return true
}

// find returns the question of an id, nil if there is none. The caller holds
// s.mu.
func (s *socket) find(id uint16) *asked {
	for i := range s.asked[:s.used] {
		if s.asked[i].id == id {
			return &s.asked[i]
		}
	}
	return nil
}

// leave has s no longer wait for c, whose answer is why, unless another has
// come.
func (s *socket) leave(c *call, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.find(c.id); a.call == c {
		s.drop(a)
		go c.done(Records{}, s.blame(why))
	}
}

// drop has s no longer wait for a. The caller holds s.mu.
func (s *socket) drop(a *asked) {
	a.call = nil
	s.waiting--
	s.closeIdle()
}

// retire has s take no more questions.
func (s *socket) retire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retired = true
	s.closeIdle()
}

// closeIdle ends s, and its goroutine, if nobody needs it. The caller holds
// s.mu.
func (s *socket) closeIdle() {
	if s.retired && s.waiting == 0 {
		s.conn.Close()
	}
}

// read is the goroutine of a socket. It looks at a clock only when the oldest
// question may have waited for too long: there is no timer for each.
func (s *socket) read() {
	for {
		n, err := s.conn.Read(s.buf[:])
		switch {
		case err == nil:
			s.receive(s.buf[:n])
		case errors.Is(err, os.ErrDeadlineExceeded):
			s.expire(time.Now())
		default: // it was closed, or nobody listens there
			s.giveUp(err)
			return
		}
	}
}

// receive hands a reply to whoever waits for it.
func (s *socket) receive(msg []byte) {
	c, rec, err := s.match(msg)
	switch {
	case c != nil:
		c.done(rec, err)
	case err == errForged:
		s.giveUp(err)
	}
}

// match finds out whose reply msg is: nobody's without a call, and if there
// have been too many of those the error is errForged.
func (s *socket) match(msg []byte) (c *call, rec Records, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(msg) < 2 {
		return nil, rec, s.stray()
	}
	a := s.find(binary.BigEndian.Uint16(msg))
	if a == nil {
		return nil, rec, s.stray()
	}
	if c = a.call; c == nil {
		return nil, rec, nil
	}
	rec, err = c.parse(msg, c.id)
	if err == errNotOurs {
		return nil, rec, s.stray()
	}
	if len(msg) > maxUDP {
		err = errTruncated
	}
	s.drop(a)
	return c, rec, err
}

func (s *socket) stray() error {
	if s.strays++; s.strays < maxStrays {
		return nil
	}
	return errForged
}

// expire ends the wait of those whose time is over, and the time of s.
func (s *socket) expire(now time.Time) {
	s.mu.Lock()
	s.retired = s.retired || !now.Before(s.old)
	s.wake = now.Add(time.Hour)
	if !s.retired {
		s.wake = s.old
	}
	why := s.blame(os.ErrDeadlineExceeded)
	late := s.remove(func(c *call) bool {
		over := !c.end.After(now)
		if !over && c.end.Before(s.wake) {
			s.wake = c.end
		}
		return over
	})
	s.conn.SetReadDeadline(s.wake)
	s.closeIdle()
	s.mu.Unlock()
	tell(late, why)
}

// blame adds to why there is no answer what came in place of one. The caller
// holds s.mu.
func (s *socket) blame(why error) error {
	if s.strays == 0 {
		return why
	}
	return fmt.Errorf("%w, but %d %w", why, s.strays, errForged)
}

// giveUp is the end of s because of an error that all its questions share.
func (s *socket) giveUp(why error) {
	s.mu.Lock()
	s.retired = true
	all := s.remove(func(*call) bool { return true })
	s.closeIdle()
	s.mu.Unlock()
	tell(all, why)
}

// remove has s no longer wait for those that match. The caller holds s.mu.
func (s *socket) remove(match func(*call) bool) (removed []*call) {
	for i := range s.asked[:s.used] {
		if a := &s.asked[i]; a.call != nil && match(a.call) {
			removed = append(removed, a.call)
			a.call = nil
			s.waiting--
		}
	}
	return removed
}

func tell(calls []*call, why error) {
	for _, c := range calls {
		c.done(Records{}, why)
	}
}
