package main

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// A crowd are clients that one thread acts for, each from dial to end of file
// before the next. The machine that serves them is this one: whatever a client
// costs is taken from the server, and is in every measure. Through package net
// it cost 160 us of processor time in the kernel and out of it, here some 100.
type crowd struct {
	to      unix.SockaddrInet4
	refused bool // they expect nothing but the end
	poll    int  // an epoll descriptor
	clients []member
	visits  []visit
	heard   [512]byte
}

// A member is one client of a crowd.
type member struct {
	fd       int
	dialed   time.Time
	visit    visit
	greeting int // bytes of it that have come
}

func newCrowd(addr string, clients int, refused bool) (*crowd, error) {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	poll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	to := unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}
	return &crowd{to: to, refused: refused, poll: poll, clients: make([]member, clients)}, nil
}

// run has clients come until then, and returns when the last has gone.
func (cr *crowd) run(until time.Time) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer unix.Close(cr.poll)
	here := 0
	for i := range cr.clients {
		if cr.dial(i, until) {
			here++
		}
	}
	events := make([]unix.EpollEvent, len(cr.clients))
	for here > 0 {
		n, err := unix.EpollWait(cr.poll, events, 1000)
		if err != nil && err != unix.EINTR {
			panic(err) // the arguments are wrong
		}
		for _, e := range events[:max(n, 0)] {
			i := int(e.Fd)
			if cr.hear(&cr.clients[i]) && !cr.dial(i, until) {
				here--
			}
		}
		if n == 0 {
			here -= cr.giveUp(until)
		}
	}
}

// dial has client i connect, again, unless it is too late for that.
func (cr *crowd) dial(i int, until time.Time) bool {
	for {
		c := &cr.clients[i]
		*c = member{fd: -1, dialed: time.Now()}
		if !c.dialed.Before(until) {
			return false
		}
		err := cr.connect(c, int32(i))
		if err == nil {
			return true
		}
		cr.leave(c, err)
		time.Sleep(time.Millisecond)
	}
}

func (cr *crowd) connect(c *member, i int32) (err error) {
	c.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	if err := unix.Connect(c.fd, &cr.to); err != nil && err != unix.EINPROGRESS {
		return os.NewSyscallError("connect", err)
	}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(cr.poll, unix.EPOLL_CTL_ADD, c.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: i}))
}

// leave ends a visit.
func (cr *crowd) leave(c *member, err error) {
	if c.fd >= 0 {
		unix.Close(c.fd)
	}
	c.visit.closed, c.visit.err = time.Since(c.dialed), err
	if cr.refused {
		c.visit.first = c.visit.closed
	}
	cr.visits = append(cr.visits, c.visit)
}

// hear hears what there is for a client, and reports whether it has left.
func (cr *crowd) hear(c *member) bool {
	n, err := unix.Read(c.fd, cr.heard[:])
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return false
	case err == unix.ECONNRESET && cr.refused, err == nil && n == 0 && (cr.refused || c.greeting == len(greeting)):
		cr.leave(c, nil)
	case err != nil:
		cr.leave(c, os.NewSyscallError("read", err))
	case n == 0 || !bytes.HasPrefix(greeting[c.greeting:], cr.heard[:n]) || cr.refused:
		cr.leave(c, fmt.Errorf("%w: heard %.40q", errGreeting, cr.heard[:n]))
	default:
		return cr.greeted(c, n)
	}
	return true
}

// greeted counts n bytes more of the greeting, and answers when it is whole.
func (cr *crowd) greeted(c *member, n int) (left bool) {
	if c.greeting == 0 {
		c.visit.first = time.Since(c.dialed)
	}
	if c.greeting += n; c.greeting < len(greeting) {
		return false
	}
	if _, err := unix.Write(c.fd, []byte("QUIT\r\n")); err != nil {
		cr.leave(c, os.NewSyscallError("write", err))
		return true
	}
	return false
}

// giveUp ends visits that take too long, and returns how many clients stay
// away after that.
func (cr *crowd) giveUp(until time.Time) (gone int) {
	for i := range cr.clients {
		c := &cr.clients[i]
		if time.Since(c.dialed) < patience || c.fd < 0 {
			continue
		}
		cr.leave(c, os.ErrDeadlineExceeded)
		if !cr.dial(i, until) {
			gone++
		}
	}
	return gone
}
