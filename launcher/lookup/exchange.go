package lookup

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"
)

// maxUDP is the longest reply asked for over UDP: it fits every path without
// being fragmented, and fragments can be forged (RFC 9715).
const maxUDP = 1232

// errServer marks the answer of a server that reports a failure: it has been
// heard, and has nothing to say.
var errServer = errors.New("the server reports a failure")

// errTruncated asks for TCP.
var errTruncated = errors.New("truncated")

// A reply is what came of a question over UDP.
type reply struct {
	rec Records
	err error
}

// exchange puts a question to a server and returns what it answers. It takes
// timeout at most. If heard is not nil, it is what the server has already said
// over UDP.
func (r *Resolver) exchange(ctx context.Context, server netip.AddrPort, timeout time.Duration, q *question, heard *reply) (Records, error) {
	end := time.Now().Add(timeout)
	if heard == nil {
		heard = r.overUDP(ctx, server, end, q)
	}
	if heard.err == errNoEDNS {
		plain := *q
		plain.plain = true
		q = &plain
		heard = r.overUDP(ctx, server, end, q)
	}
	rec, err := heard.rec, heard.err
	if err == errTruncated || err == errForged {
		rec, err = overTCP(ctx, server, end, q)
	}
	if err != nil && err != ErrAbsent {
		err = fmt.Errorf("%v: %w", server, err)
	}
	return rec, err
}

// overUDP asks from one of the resolver's sockets.
func (r *Resolver) overUDP(ctx context.Context, server netip.AddrPort, end time.Time, q *question) *reply {
	answer := make(chan *reply, 1)
	c := &call{question: *q, end: end, done: func(rec Records, err error) { answer <- &reply{rec, err} }}
	s := r.Sockets.ask(server, c)
	select {
	case a := <-answer:
		return a
	case <-ctx.Done():
	}
	if s != nil {
		s.leave(c, ctx.Err())
	}
	return <-answer
}

// overTCP asks over a connection, where a reply is up to 65535 bytes long.
func overTCP(ctx context.Context, server netip.AddrPort, end time.Time, q *question) (Records, error) {
	ctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialTCP(ctx, "tcp", netip.AddrPort{}, server)
	if err != nil {
		return Records{}, err
	}
	defer conn.Close()
	defer bound(ctx, conn)()

	id := newID()
	query, err := q.pack(make([]byte, 2, 512), id)
	if err != nil {
		return Records{}, err
	}
	binary.BigEndian.PutUint16(query, uint16(len(query)-2))
	if _, err := conn.Write(query); err != nil {
		return Records{}, err
	}
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return Records{}, err
	}
	reply := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, reply); err != nil {
		return Records{}, err
	}
	return q.parse(reply, id)
}

// bound makes whatever conn waits for end when ctx does. The function it
// returns frees what that takes.
func bound(ctx context.Context, conn net.Conn) (free func()) {
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	return func() { stop() }
}
