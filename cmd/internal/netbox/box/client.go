//go:build linux

package main

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"time"

	"doorward/cmd/internal/netbox/record"

	"golang.org/x/sys/unix"
)

// connect returns a connection from the recorded address and port, number
// later, to the recorded server. Its socket belongs to the case's user, which
// is what an ident server reports.
func connect(c *record.Case, later int) (*net.TCPConn, error) {
	from, to := c.Client, c.Server
	from.Port += later
	local, family, err := sockaddr(from)
	if err != nil {
		return nil, err
	}
	remote, _, err := sockaddr(to)
	if err != nil {
		return nil, err
	}
	fd, err := socketOf(c.ClientUID, family)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "client")
	defer f.Close()
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, local); err != nil {
		return nil, fmt.Errorf("bind %v: %v", from, err)
	}
	if err := unix.Connect(fd, remote); err != nil {
		return nil, fmt.Errorf("connect to %v: %v", to, err)
	}
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

// socketOf makes a stream socket that belongs to uid: the kernel takes the
// owner from the thread that makes it.
func socketOf(uid, family int) (int, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if uid != 0 {
		unix.SetfsuidRetUid(uid)
		defer unix.SetfsuidRetUid(0)
	}
	return unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
}

func sockaddr(e record.Endpoint) (unix.Sockaddr, int, error) {
	a, err := netip.ParseAddr(e.Addr)
	if err != nil {
		return nil, 0, err
	}
	if a.Is4() {
		return &unix.SockaddrInet4{Port: e.Port, Addr: a.As4()}, unix.AF_INET, nil
	}
	return &unix.SockaddrInet6{Port: e.Port, Addr: a.As16()}, unix.AF_INET6, nil
}

// talk sends the input of the case and returns all that the server sends.
func talk(c *record.Case, conn net.Conn, deadline time.Time) (string, error) {
	conn.SetDeadline(deadline)
	if _, err := conn.Write(record.Bytes(c.Input)); err != nil {
		return "", err
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok && c.HalfClose {
		if err := half.CloseWrite(); err != nil {
			return "", err
		}
	}
	b, err := io.ReadAll(conn)
	if err != nil && os.IsTimeout(err) {
		return "", fmt.Errorf("no end of the connection in time, after %q", b)
	}
	return record.Text(b), nil // a reset ends it as well
}

// hangUp closes without leaving the address and port of the connection in
// TIME_WAIT: the next case uses them again.
func hangUp(conn *net.TCPConn) {
	conn.SetLinger(0)
	conn.Close()
}
