package run

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// Without pidfds, one goroutine hears of every child that ends, and everybody
// who waits looks whether it was theirs. Waiting for one process at a time
// (never for any, wait4(-1)) leaves the children of other packages alone.
var sigchld struct {
	once sync.Once
	sync.Cond
	mu    sync.Mutex
	heard int // how often SIGCHLD came
}

func listenSIGCHLD() {
	sigchld.L = &sigchld.mu
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGCHLD)
	go func() {
		for range ch {
			sigchld.mu.Lock()
			sigchld.heard++
			sigchld.mu.Unlock()
			sigchld.Broadcast()
		}
	}()
}

// reaped waits for a child without a pidfd.
func (c *Child) reaped() (Status, error) {
	sigchld.once.Do(listenSIGCHLD)
	for {
		sigchld.mu.Lock()
		before := sigchld.heard
		sigchld.mu.Unlock()

		status, ended, err := c.reapOnce()
		if ended || err != nil {
			return status, err
		}
		sigchld.mu.Lock()
		for sigchld.heard == before {
			sigchld.Wait()
		}
		sigchld.mu.Unlock()
	}
}

func (c *Child) reapOnce() (status Status, ended bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	status, ended, err = reap(c.PID)
	c.done = ended
	return status, ended, err
}
