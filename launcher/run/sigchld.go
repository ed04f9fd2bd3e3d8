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

// waitSIGCHLD is Wait without a pidfd.
func (c *Child) waitSIGCHLD() (Status, error) {
	sigchld.once.Do(listenSIGCHLD)
	for {
		before := sigchldHeard(-1)
		status, ended, err := c.reap()
		if ended || err != nil {
			return status, err
		}
		sigchldHeard(before)
	}
}

// sigchldHeard returns how often SIGCHLD has come, once that is no longer n.
func sigchldHeard(n int) int {
	sigchld.mu.Lock()
	defer sigchld.mu.Unlock()
	for sigchld.heard == n {
		sigchld.Wait()
	}
	return sigchld.heard
}
