package sock

import (
	"errors"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Listener is a socket that clients come to: one that listens or, for a
// service that takes the whole socket, one that receives datagrams. Several
// goroutines may use it at once.
type Listener struct {
	file     *os.File // in Go's poller; its Fd method is never called, since that makes it blocking
	raw      syscall.RawConn
	addr     netip.AddrPort
	name     string
	datagram bool
}

// Adopt makes a Listener of a socket that came from elsewhere, such as the
// service manager, and owns fd from then on, whatever it returns. The socket
// becomes non-blocking and closed on exec. The name is for messages and for
// finding it again. A stream socket that does not listen is EINVAL.
func Adopt(fd int, name string) (*Listener, error) {
	l, err := adopt(fd, name)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return l, nil
}

func adopt(fd int, name string) (*Listener, error) {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return nil, os.NewSyscallError("getsockopt", err)
	}
	listens, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return nil, os.NewSyscallError("getsockopt", err)
	}
	if kind != unix.SOCK_DGRAM && listens == 0 {
		return nil, os.NewSyscallError("accept", unix.EINVAL)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return nil, os.NewSyscallError("getsockname", err)
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	l := &Listener{name: name, datagram: kind == unix.SOCK_DGRAM}
	l.addr, _ = unmap(sa)
	l.file = os.NewFile(uintptr(fd), name)
	l.raw, err = l.file.SyscallConn()
	return l, err
}

// Accept waits for a client.
//
// Errors: os.ErrClosed after Close; os.ErrDeadlineExceeded after the deadline;
// a *BusyError when the machine has no room for another connection just now,
// after which the caller does well to wait a little. A client that left while
// it was in the queue is nobody's business, and passed over.
func (l *Listener) Accept() (Conn, error) {
	for {
		c, err := l.accept()
		switch err {
		case unix.ECONNABORTED, unix.EINTR, unix.EPROTO, unix.ENOTCONN:
			continue
		case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
			return Conn{}, &BusyError{l.name, err}
		}
		return c, err
	}
}

// Wait waits until there is something to accept or to receive, and leaves it
// there: a service that takes the whole socket (xinetd's wait = yes) is
// started when Wait returns nil. Errors as Accept's.
func (l *Listener) Wait() error {
	var err error
	waited := l.raw.Read(func(s uintptr) bool {
		var n int
		n, err = unix.Poll([]unix.PollFd{{Fd: int32(s), Events: unix.POLLIN}}, 0)
		return n > 0 || err != nil && err != unix.EINTR
	})
	if waited != nil {
		return ended(waited)
	}
	return err
}

// ended makes the reason why waiting ended one that callers can name: the
// poller has two, and package os keeps the name of the other to itself.
func ended(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return os.ErrClosed
}

// Lend calls start with the descriptor of the socket itself, made blocking as
// a daemon expects it. Take makes it fit for Accept again; whether a
// descriptor blocks is a property of the open file description, which the
// daemon shares.
func (l *Listener) Lend(start func(fd int) error) error {
	var err error
	if used := l.raw.Control(func(s uintptr) {
		if err = unix.SetNonblock(int(s), false); err == nil {
			err = start(int(s))
		}
	}); used != nil {
		return used
	}
	return err
}

// Take takes the socket back from whoever it was lent to. It must come before
// the next Accept.
func (l *Listener) Take() error {
	var err error
	if used := l.raw.Control(func(s uintptr) { err = unix.SetNonblock(int(s), true) }); used != nil {
		return used
	}
	return err
}

// Dup returns a copy of the descriptor which the caller owns. It is closed on
// exec unless inherit is set: then it is one to hand to the next generation of
// this program.
func (l *Listener) Dup(inherit bool) (fd int, err error) {
	how := unix.F_DUPFD_CLOEXEC
	if inherit {
		how = unix.F_DUPFD
	}
	if used := l.raw.Control(func(s uintptr) { fd, err = unix.FcntlInt(s, how, 3) }); used != nil {
		return -1, used
	}
	return fd, os.NewSyscallError("fcntl", err)
}

// SetDeadline ends waiting calls at t, and later ones at once; the zero time
// means never.
func (l *Listener) SetDeadline(t time.Time) error { return l.file.SetDeadline(t) }

// Close stops listening and ends waiting calls.
func (l *Listener) Close() error { return l.file.Close() }

// Addr returns the address of the socket, with the port the kernel chose where
// it was asked to. It is invalid for AF_UNIX.
func (l *Listener) Addr() netip.AddrPort { return l.addr }

// Name returns the name given to Listen or Adopt.
func (l *Listener) Name() string { return l.name }

// Datagram reports whether the socket takes datagrams; then there is nothing
// to Accept.
func (l *Listener) Datagram() bool { return l.datagram }

// A BusyError says that the machine had no room for another connection: no
// descriptor or no memory. The client stays in the queue.
type BusyError struct {
	Name string // of the listener
	Err  error  // EMFILE, ENFILE, ENOBUFS or ENOMEM
}

func (e *BusyError) Error() string { return e.Name + ": accept: " + e.Err.Error() }
func (e *BusyError) Unwrap() error { return e.Err }
