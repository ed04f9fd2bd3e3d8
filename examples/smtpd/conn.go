package main

import (
	"errors"
	"net"
	"sync"
	"time"
)

// How long a client may take. RFC 5321 (4.5.3.2) wants five minutes of
// patience; the bound on the whole session is what makes an end of clients who
// send one byte every four minutes.
const (
	idleTimeout = 5 * time.Minute
	sessionTime = time.Hour
	lingerTime  = time.Second
	lingerBytes = 64 << 10
)

var errBareCRLF = errors.New("bare CR or LF")

// A strictConn is a connection on which a line ends with CR LF and with
// nothing else (RFC 5321, 2.3.8). A CR or LF alone ends the session: servers
// that take it for a line end let a client hide a second message, end of data
// included, inside the first, and the next server then delivers it as ours
// ("SMTP smuggling"). The first error is kept; nothing is read after it.
type strictConn struct {
	net.Conn
	end     time.Time // of the session
	afterCR bool      // the last byte read was a CR
	err     error
}

func newStrictConn(c net.Conn) *strictConn {
	return &strictConn{Conn: c, end: time.Now().Add(sessionTime)}
}

// Read hands on only bytes that are part of proper lines. Bytes before a bare
// CR or LF in the same segment are not handed on either: they came from a
// client whose commands we no longer believe.
func (c *strictConn) Read(b []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	c.Conn.SetReadDeadline(c.patience())
	n, err := c.Conn.Read(b)
	if c.bare(b[:n]) {
		n, err = 0, errBareCRLF
	}
	c.err = err
	return n, err
}

// Write gives up on a client that does not read. It may outlast the session by
// one reply: the one that says so.
func (c *strictConn) Write(b []byte) (int, error) {
	c.Conn.SetWriteDeadline(time.Now().Add(idleTimeout))
	return c.Conn.Write(b)
}

func (c *strictConn) patience() time.Time {
	if d := time.Now().Add(idleTimeout); d.Before(c.end) {
		return d
	}
	return c.end
}

// bare reports whether b, which follows what was read before, has a CR without
// LF or a LF without CR.
func (c *strictConn) bare(b []byte) bool {
	for _, x := range b {
		if (x == '\n') != c.afterCR {
			return true
		}
		c.afterCR = x == '\r'
	}
	return false
}

// Close lets the client read our last words: to close a TCP socket with unread
// input resets it, and the reset overtakes the reply.
func (c *strictConn) Close() error {
	tcp, ok := c.Conn.(*net.TCPConn)
	if ok && c.err != nil && tcp.CloseWrite() == nil {
		tcp.SetReadDeadline(time.Now().Add(lingerTime))
		var scrap [4096]byte
		for left := lingerBytes; left > 0; {
			n, err := tcp.Read(scrap[:])
			if err != nil {
				break
			}
			left -= n
		}
	}
	return c.Conn.Close()
}

// A listener hands out one connection, and closes when that is closed: go-smtp
// serves listeners, and we have a single connection.
type listener struct {
	conn chan net.Conn
	done chan struct{}
	addr net.Addr
}

func oneConn(c net.Conn) net.Listener {
	l := &listener{make(chan net.Conn, 1), make(chan struct{}), c.LocalAddr()}
	l.conn <- &closeConn{Conn: c, closed: sync.OnceFunc(func() { close(l.done) })}
	return l
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error   { return nil }
func (l *listener) Addr() net.Addr { return l.addr }

// A closeConn tells when it has been closed.
type closeConn struct {
	net.Conn
	closed func()
}

func (c *closeConn) Close() error {
	defer c.closed()
	return c.Conn.Close()
}
