package sock

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Peek shows look what has come in on a connection, again whenever more has,
// until look is done with it, and leaves it there: what a program is to read
// itself must not end up in a buffer here. At most size bytes are shown.
//
// Errors: that of look; os.ErrDeadlineExceeded at the deadline; an
// *os.SyscallError, which is ECONNRESET where the client has said all it had
// to say before. The connection is blocking when Peek returns, and while it
// waits takes no thread.
func Peek(fd, size int, deadline time.Time, look func(b []byte) (done bool, err error)) error {
	copied, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	if err := unix.SetNonblock(copied, true); err != nil { // for both: they share it
		unix.Close(copied)
		return os.NewSyscallError("fcntl", err)
	}
	defer unix.SetNonblock(fd, false)
	f := os.NewFile(uintptr(copied), "connection")
	defer f.Close()
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	if err := f.SetReadDeadline(deadline); err != nil {
		return err
	}
	b := make([]byte, size)
	waited := raw.Read(func(s uintptr) (done bool) {
		done, err = peekOnce(int(s), b, look)
		return done || err != nil
	})
	if err == nil && waited != nil {
		err = os.ErrDeadlineExceeded
	}
	return err
}

func peekOnce(fd int, b []byte, look func([]byte) (bool, error)) (done bool, err error) {
	for {
		n, _, err := unix.Recvfrom(fd, b, unix.MSG_PEEK|unix.MSG_DONTWAIT)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return false, nil
		case err == nil && n == 0:
			err = unix.ECONNRESET
			fallthrough
		case err != nil:
			return false, os.NewSyscallError("recv", err)
		}
		return look(b[:n])
	}
}

// Skip takes n bytes that Peek has shown off a connection.
func Skip(fd, n int) error {
	b := make([]byte, n)
	for n > 0 {
		m, _, err := unix.Recvfrom(fd, b[:n], unix.MSG_DONTWAIT)
		if err == unix.EINTR {
			continue
		}
		if err == nil && m == 0 {
			err = unix.ECONNRESET
		}
		if err != nil {
			return os.NewSyscallError("recv", err)
		}
		n -= m
	}
	return nil
}
