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

	mu   sync.Mutex // with pidfd nil: guards done, so that Kill never meets a process that took the number over
	done bool
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
		return c.reaped()
	}
	defer c.pidfd.Close()
	var status Status
	var ended bool
	var err error
	waited := c.raw.Read(func(uintptr) bool {
		status, ended, err = reap(c.PID)
		return ended || err != nil
	})
	if err == nil {
		err = waited
	}
	return status, err
}

// reap takes the status of a child without waiting for it. The number is
// still the child's: nobody else reaps it.
func reap(pid int) (status Status, ended bool, err error) {
	for {
		got, err := syscall.Wait4(pid, &status, syscall.WNOHANG, nil)
		if err != syscall.EINTR {
			return status, got == pid, os.NewSyscallError("wait4", err)
		}
	}
}

// Kill sends a signal. os.ErrProcessDone means that the program has ended.
func (c *Child) Kill(sig syscall.Signal) error {
	if c.pidfd == nil {
		return c.kill(sig)
	}
	var err error
	if c.raw.Control(func(fd uintptr) { err = unix.PidfdSendSignal(int(fd), sig, nil, 0) }) != nil || err == unix.ESRCH {
		return os.ErrProcessDone
	}
	return os.NewSyscallError("pidfd_send_signal", err)
}

func (c *Child) kill(sig syscall.Signal) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done {
		return os.ErrProcessDone
	}
	return os.NewSyscallError("kill", unix.Kill(c.PID, sig))
}
