package run

import (
	"golang.org/x/sys/unix"
)

// Adopt returns a child of this process that another program in it started,
// before it became this one (execve(2) keeps children). Whoever knows the
// number must know that it has not been waited for: then it still is the
// child's, even if it has ended.
func Adopt(pid int) *Child {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		fd = -1 // before Linux 5.3, or not a child, which Wait will find
	}
	return newChild(pid, fd)
}

// Exited returns when the program has ended, and leaves it to be waited for.
// Where the kernel has no pidfds it returns at once.
func (c *Child) Exited() {
	if c.pidfd == nil {
		return
	}
	c.raw.Read(func(fd uintptr) bool {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		return n > 0 || err != nil && err != unix.EINTR
	})
}
