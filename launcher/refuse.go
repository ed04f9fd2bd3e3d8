package launcher

import (
	"time"

	"doorward/acl"
	"doorward/launcher/journal"
	"doorward/launcher/reject"
	"doorward/launcher/sock"
)

// maxRefusing is how many refused clients are talked to at once, a goroutine
// and some kilobytes each. Further ones hear the refusal in place of the
// greeting and are left.
const maxRefusing = 1000

// refuse tells a client in SMTP that it is refused, and the journal what it
// wanted. It owns the connection, and does not wait: the client's place at the
// gate is free for somebody who will be served.
func (s *Server) refuse(c sock.Conn, reply acl.Reply, e journal.Event) {
	e.Reply = reject.Line(reply)
	atOnce := s.refusing.Add(1) > maxRefusing
	s.conns.Add(1)
	go func() {
		defer s.conns.Done()
		defer s.refusing.Add(-1)
		defer func() { s.Journal(e) }()
		f, err := reject.Descriptor(c.FD)
		if err != nil {
			c.Close()
			return
		}
		defer f.Close()
		// An error is the client's: it was slow, left, or sent too much.
		reject.SMTP(f, reply, reject.Options{
			AtOnce:  atOnce,
			Timeout: refusalTime,
			Refused: func(a reject.Attempt) { e.Attempts = append(e.Attempts, journal.Attempt(a)) },
		})
		e.Duration = time.Since(e.Time)
	}()
}

// refusalTime bounds the whole talk, as rblsmtpd does.
const refusalTime = 60 * time.Second
