// Package builtin has the services that need no program: the small services
// of RFC 862 to 868, which xinetd calls INTERNAL, and the proxy behind its
// attribute redirect.
//
// Each takes a connection, returns when it is done with it, and leaves closing
// it to the caller, who may close it earlier to end the service. The small
// services end by themselves: when a client does not move for a minute, and
// after ten in any case.
//
// There are none for UDP: whoever answers datagrams answers forged senders,
// and two echo services can be set on each other (CERT CA-1996-01).
package builtin

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"time"
)

// A Stream is a connection of which one direction can be ended: a
// *net.TCPConn or a *net.UnixConn.
type Stream interface {
	net.Conn
	CloseWrite() error
}

// A Service serves one connection. An error is worth a line in a log; that a
// client left or was too slow is none.
type Service func(Stream) error

// Small returns the small service of that name (echo, discard, time, daytime
// or chargen), or nil. Now is the clock it tells.
func Small(name string, now func() time.Time) Service {
	serve, ok := small[name]
	if !ok {
		return nil
	}
	return func(c Stream) error {
		serve(&patient{c, time.Now().Add(sessionTime)}, now())
		return nil
	}
}

var small = map[string]func(io.ReadWriter, time.Time){
	"echo":    echo,
	"discard": discard,
	"time":    secondsSince1900,
	"daytime": daytime,
	"chargen": chargen,
}

// echo sends what it receives (RFC 862).
func echo(c io.ReadWriter, _ time.Time) { io.Copy(c, c) }

// discard receives (RFC 863).
func discard(c io.ReadWriter, _ time.Time) { io.Copy(io.Discard, c) }

// secondsSince1900 sends 32 bits (RFC 868), which is enough until 2036.
func secondsSince1900(c io.ReadWriter, now time.Time) {
	const from1900to1970 = 2208988800
	binary.Write(c, binary.BigEndian, uint32(now.Unix()+from1900to1970))
}

// daytime sends a line for a person to read (RFC 867), as xinetd writes it.
func daytime(c io.ReadWriter, now time.Time) {
	io.WriteString(c, strings.ToUpper(now.Format("02 Jan 2006 15:04:05 MST"))+"\r\n")
}

// chargen sends lines of 72 characters, each a character further than the one
// before, until the client has had enough (RFC 864).
func chargen(c io.ReadWriter, _ time.Time) {
	const ring = 1 + int('~'-'!')
	var lines []byte
	for i := range ring {
		for j := range 72 {
			lines = append(lines, '!'+byte((i+j)%ring))
		}
		lines = append(lines, "\r\n"...)
	}
	for {
		if _, err := c.Write(lines); err != nil {
			return
		}
	}
}

const (
	idleTime    = time.Minute      // for a client to take or send something
	sessionTime = 10 * time.Minute // for all of it
)

// A patient connection waits for its client idleTime and no longer, and not
// past its end. It has nothing but Read and Write, so that io.Copy uses them.
type patient struct {
	c   net.Conn
	end time.Time
}

func (p *patient) wait() {
	t := time.Now().Add(idleTime)
	if t.After(p.end) {
		t = p.end
	}
	p.c.SetDeadline(t) // of a connection that is closed: Read and Write will tell
}

func (p *patient) Read(b []byte) (int, error) {
	p.wait()
	return p.c.Read(b)
}

func (p *patient) Write(b []byte) (int, error) {
	p.wait()
	return p.c.Write(b)
}
