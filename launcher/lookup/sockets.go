package lookup

import (
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
)

// maxOpen is how many sockets take questions at a time.
const maxOpen = 64

// maxQuery is as long as a query can be: header, name, type, class, EDNS.
const maxQuery = 12 + 255 + 4 + 11

// Sockets are what the questions of a busy process go out from: many sockets,
// each for many questions. The zero Sockets have none open yet; nil Sockets
// open one for each question. They may be used by several goroutines at once,
// and close what is idle by themselves.
//
// To open a socket takes longer than all the rest of a question. But a port of
// its own is half of what keeps a question from being answered by somebody
// else (RFC 5452): who cannot see the query has to guess its id, one of 65,536,
// and its port, one of 28,232 (ip_local_port_range), before the right reply
// comes. So ports are shared with care:
//
//   - A question goes to one of 64 sockets, by chance. The port of each was
//     chosen by the kernel, by chance as well: without further knowledge a
//     forger's odds are what they were, 1 in 1.8e9 for each packet.
//   - What could be learnt about a port is soon worth nothing. A socket takes
//     64 questions, and none when it is a second old: less than it takes to
//     search for ports, be it by SAD DNS's thousand a second. A process that
//     asks little has a port for each question, as before.
//   - Whoever knows all 64 ports has to send 64 * 65,536 packets to be sure
//     (22 bits), and is noticed by the 16th that comes to a socket: the socket
//     is closed, and what it waited for is asked over TCP. That leaves 16
//     guesses where a socket that waits for one question allows any number.
//   - A packet that guesses an id must also repeat the question of that very
//     id, and ids differ within a socket: more questions under way do not make
//     one hit more likely (no birthdays). The same question twice would, and
//     dnslist sees to it that it is asked once.
//
// 10,000 clients of 5 lists, 20 ms each, are decided about at 3,600 a second
// with a socket and a goroutine for each question, and at 12,000 with shared
// sockets and Ask (2 processors, list servers and clients included). To send a
// client's questions by one sendmmsg would save a tenth of the sending, and
// have them all on one port: not done.
type Sockets struct {
	open [maxOpen]atomic.Pointer[socket]
}

// ask sends the question of c, and tells it the answer from another goroutine.
// The socket, nil if there is none, is where to leave.
func (ss *Sockets) ask(server netip.AddrPort, c *call) *socket {
	s, err := ss.take(server, c)
	if err != nil {
		go c.done(Records{}, err)
		return nil
	}
	query, err := c.pack(make([]byte, 0, maxQuery), c.id)
	if err == nil {
		_, err = s.conn.Write(query)
	}
	if err != nil {
		s.leave(c, err)
		s.retire() // it may have been told that nobody listens
	}
	return s
}

// take finds c a socket, and an id there.
func (ss *Sockets) take(server netip.AddrPort, c *call) (*socket, error) {
	if ss == nil {
		s, err := openSocket(server)
		if err == nil {
			s.enter(c)
			s.retire() // no more than this one
		}
		return s, err
	}
	place := &ss.open[rand.IntN(maxOpen)]
	if s := place.Load(); s != nil && s.server == server && s.enter(c) {
		return s, nil
	}
	s, err := openSocket(server)
	if err != nil {
		return nil, err
	}
	s.enter(c)
	if old := place.Swap(s); old != nil {
		old.retire()
	}
	return s, nil
}
