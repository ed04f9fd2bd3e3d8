// Package sock finds out who is at the other end of a socket, and accepts
// connections for programs that will be started on them.
//
// A daemon started by inetd, xinetd, tcpd or tcpserver expects a plain socket
// on descriptors 0 and 1: blocking, with the options the kernel gave it.
// Package net hands out something else. It makes every socket non-blocking,
// and so does its copy of an inherited one, since the flag belongs to the open
// file description that both share: the daemon's first read then fails with
// EAGAIN. It also turns TCP_NODELAY and keep-alive on. Therefore nothing here
// goes through package net:
//
//   - [FromFD] asks a descriptor that came from outside for its addresses and
//     changes nothing about it.
//   - [Listener] waits for clients in Go's poller, and hands out what
//     accept4(2) returns: a blocking, close-on-exec descriptor that never
//     entered the poller.
//
// Sockets that systemd passes are taken by the package activation below this
// one; programs run once a connection need not link it.
package sock

import (
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"doorward/acl"
)

// FromFD returns the request that descriptor fd is a connection of, for rules
// that know the daemon by that name. The descriptor stays as it is.
//
// A socket without a peer is asked for the sender of the datagram that waits
// in it, as tcpd does; the datagram stays there. An AF_UNIX socket has no
// addresses. The error is an *os.SyscallError around the errno: ENOTSOCK for
// a pipe or a file, ENOTCONN for a socket that listens or whose client has
// gone, EAGAIN for a datagram socket that nothing has been sent to.
func FromFD(fd int, daemon string) (*acl.Request, error) {
	peer, err := peername(fd)
	if err != nil {
		return nil, err
	}
	local, err := unix.Getsockname(fd)
	if err != nil {
		return nil, os.NewSyscallError("getsockname", err)
	}
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return nil, os.NewSyscallError("getsockopt", err)
	}
	r := newConn(fd, peer, local).Request(daemon)
	r.Datagram = kind == unix.SOCK_DGRAM
	return r, nil
}

// peername returns the address of the peer of fd or, where there is none, of
// whoever sent the datagram at the head of its queue.
func peername(fd int) (unix.Sockaddr, error) {
	sa, err := unix.Getpeername(fd)
	if err == nil {
		return sa, nil
	}
	if err != unix.ENOTCONN {
		return nil, os.NewSyscallError("getpeername", err)
	}
	var head [1]byte
	_, sa, err = unix.Recvfrom(fd, head[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	if err != nil {
		return nil, os.NewSyscallError("recvfrom", err)
	}
	if sa == nil {
		return nil, os.NewSyscallError("getpeername", unix.ENOTCONN)
	}
	return sa, nil
}

// A Conn is one accepted connection: a descriptor that is blocking, closed on
// exec, and in nobody's poller.
type Conn struct {
	FD            int
	Remote, Local netip.AddrPort // as in acl.Request
	Mapped        bool           // an IPv4 client of a dual-stack socket
	Unix          bool           // an AF_UNIX peer; it has no addresses
}

func newConn(fd int, peer, local unix.Sockaddr) Conn {
	c := Conn{FD: fd}
	_, c.Unix = peer.(*unix.SockaddrUnix)
	c.Remote, c.Mapped = unmap(peer)
	c.Local, _ = unmap(local)
	return c
}

// Request returns the request that c makes of a daemon.
func (c Conn) Request(daemon string) *acl.Request {
	return &acl.Request{Daemon: daemon, Remote: c.Remote, Local: c.Local, Mapped: c.Mapped, Unix: c.Unix}
}

// Close closes the descriptor. What was sent still reaches the client, unless
// the client sent something that nobody read: then it is reset.
func (c Conn) Close() error { return unix.Close(c.FD) }

// Reset closes the descriptor and the connection with it: the client gets a
// reset instead of an end of file, and the kernel keeps no TIME_WAIT for it.
func (c Conn) Reset() error {
	unix.SetsockoptLinger(c.FD, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}) // AF_UNIX has none to set
	return unix.Close(c.FD)
}
