package run

import (
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Child is a program that was started and has not been waited for.
type Child struct {
	PID int

	pidfd *os.File // in Go's poller; nil where the kernel has none
	raw   syscall.RawConn

	mu    sync.Mutex
	ended bool // reaped: the number may be another's by now
}

// newChild takes over a process that has just been started. A pidfd of -1
// means that the kernel has none (before Linux 5.3).
func newChild(pid, pidfd int) *Child {
	c := &Child{PID: pid}
	if pidfd < 0 {
		return c
	}
	unix.SetNonblock(pidfd, true) // what makes os.NewFile give it to the poller; cannot fail on a descriptor that is open
	c.pidfd = os.NewFile(uintptr(pidfd), "pidfd")
	c.raw, _ = c.pidfd.SyscallConn() // cannot fail on a File that is not nil
	return c
}

// Wait waits until the program has ended, and returns how. It must be called,
// once: until then the process table keeps its entry. It costs a goroutine and
// a descriptor, but no thread.
func (c *Child) Wait() (Status, error) {
	if c.pidfd == nil {
		return c.waitSIGCHLD()
	}
	defer c.pidfd.Close()
	var status Status
	var ended bool
	var err error
	waited := c.raw.Read(func(uintptr) bool {
		status, ended, err = c.reap()
		return ended || err != nil
	})
	if err == nil {
		err = waited
	}
	return status, err
}

// reap takes the status of the child without waiting for it. The number is
// still the child's: nobody else reaps it.
func (c *Child) reap() (status Status, ended bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		pid, err := syscall.Wait4(c.PID, &status, syscall.WNOHANG, nil)
		if err != syscall.EINTR {
			c.ended = pid == c.PID || err != nil
			return status, c.ended, os.NewSyscallError("wait4", err)
		}
	}
}

// Kill sends the program a signal. os.ErrProcessDone means that it has ended.
func (c *Child) Kill(sig syscall.Signal) error { return c.kill(c.PID, sig) }

// KillGroup sends a signal to the program and to those it started that are
// still in its session; it must have been started with Setsid. The error is
// os.ErrProcessDone once the program has been waited for, even if others of
// its session go on.
func (c *Child) KillGroup(sig syscall.Signal) error { return c.kill(-c.PID, sig) }

// kill needs no pidfd: as long as the child has not been reaped, which the
// lock sees to, its number is nobody else's.
func (c *Child) kill(pid int, sig syscall.Signal) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return os.ErrProcessDone
	}
	return os.NewSyscallError("kill", syscall.Kill(pid, sig))
}
