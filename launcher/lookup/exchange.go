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

// exchange puts a question to a server and returns what it answers. It takes
// timeout at most.
func exchange(ctx context.Context, server netip.AddrPort, timeout time.Duration, q question) (Records, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	rec, err := overUDP(ctx, server, q)
	if errors.Is(err, errNoEDNS) {
		q.plain = true
		rec, err = overUDP(ctx, server, q)
	}
	if errors.Is(err, errTruncated) {
		rec, err = overTCP(ctx, server, q)
	}
	if err != nil && !errors.Is(err, ErrAbsent) {
		err = fmt.Errorf("%v: %w", server, err)
	}
	return rec, err
}

// overUDP asks from a port of its own. The socket is connected: the kernel
// drops what comes from elsewhere.
func overUDP(ctx context.Context, server netip.AddrPort, q question) (Records, error) {
	var d net.Dialer
	conn, err := d.DialUDP(ctx, "udp", netip.AddrPort{}, server)
	if err != nil {
		return Records{}, err
	}
	defer conn.Close()
	defer bound(ctx, conn)()

	id := newID()
	query, err := q.pack(make([]byte, 0, 512), id)
	if err != nil {
		return Records{}, err
	}
	if _, err := conn.Write(query); err != nil {
		return Records{}, err
	}
	buf := make([]byte, maxUDP+1) // one more, to see that a reply was longer
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return Records{}, err
		}
		rec, err := q.parse(buf[:n], id)
		if err == errNotOurs {
			continue // forged, or a late reply: the right one may still come
		}
		if n > maxUDP {
			err = errTruncated
		}
		return rec, err
	}
}

// overTCP asks over a connection, where a reply is up to 65535 bytes long.
func overTCP(ctx context.Context, server netip.AddrPort, q question) (Records, error) {
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
