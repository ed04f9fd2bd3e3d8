package run

import (
	"os"
	"sync"
	"syscall"
)

// A Child is a program that was started and has not been waited for.
type Child struct {
	PID int

	watcher Watcher // the reaper's; nil: nobody may wait for it now

	mu    sync.Mutex
	ended bool // reaped: the number may be another's by now
}

// A Watcher hears of the end of a program from a goroutine that all programs
// share, and must not keep that waiting.
type Watcher interface {
	// Exited says that the program has ended and is about to be waited for.
	// The answer false leaves it as it is, until Watch is called again.
	Exited() bool

	// Ended says how it ended. It has been waited for, unless there is an
	// error: then it was no child of this process.
	Ended(Status, error)
}

// Watch has w told of the end of the program, in place of Wait. One of the two
// must be called, once: until then the process table keeps its entry. It costs
// neither a thread nor a goroutine nor a descriptor.
func (c *Child) Watch(w Watcher) { children.watch(c, w) }

// Wait waits until the program has ended, and returns how.
func (c *Child) Wait() (Status, error) {
	w := waiter{ended: make(chan struct{})}
	c.Watch(&w)
	<-w.ended
	return w.status, w.err
}

// A waiter is a Watcher for somebody who waits.
type waiter struct {
	ended  chan struct{}
	status Status
	err    error
}

func (w *waiter) Exited() bool { return true }

func (w *waiter) Ended(status Status, err error) {
	w.status, w.err = status, err
	close(w.ended)
}

// finish waits for a program that has ended, and tells its watcher. It returns
// false if it must not: nobody watches it yet or its watcher leaves it as it
// is, or somebody else traces it (ptrace(2)), who hears of its end first.
func (c *Child) finish() bool {
	w := children.watcherOf(c)
	if w == nil || !w.Exited() {
		return false
	}
	status, ended, err := c.reap()
	if !ended {
		c.Watch(w)
		return false
	}
	w.Ended(status, err)
	return true
}

// reap takes the status of the child without waiting for it. The number is
// still the child's: nobody else reaps it.
func (c *Child) reap() (status Status, ended bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		pid, err := syscall.Wait4(c.PID, &status, syscall.WNOHANG, nil)
		if err != syscall.EINTR {
			if c.ended = pid == c.PID || err != nil; c.ended {
				children.forget(c)
			}
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

// kill may go by the number: as long as the child has not been reaped, which
// the lock sees to, it is nobody else's.
func (c *Child) kill(pid int, sig syscall.Signal) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return os.ErrProcessDone
	}
	return os.NewSyscallError("kill", syscall.Kill(pid, sig))
}
