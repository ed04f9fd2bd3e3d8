package run

import (
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Start starts the program on connection fd, with the environment env and
// nothing else of this process's. The caller keeps fd, and closes it: Start
// neither closes it nor changes its flags, so it must not be O_NONBLOCK (what
// sock.Listener accepts is not).
//
// Every signal is at its default and none is blocked, whatever they are here:
// ignored signals outlive exec, and a daemon that ignores SIGPIPE writes to
// clients that have gone. To that end signals ignored by this process are
// caught and dropped from the first Start on, which for it makes no
// difference. The soft limits of open files, address space and data are those
// this process began with, unless p.Limits has others: Go raised the first, and
// for the sake of Go doorward's entry point raised the rest.
//
// The error is an *Error that names the step; the program did not run then.
func (p *Program) Start(fd int, env []string) (*Child, error) {
	if p.Null {
		null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, p.fail("open", err)
		}
		defer unix.Close(null)
		return p.startOn([3]int{null, null, null}, env)
	}
	switch p.Stderr {
	case StderrSocket:
		return p.startOn([3]int{fd, fd, fd}, env)
	case 0:
		return p.startOn([3]int{fd, fd, 2}, env)
	}
	return p.startOn([3]int{fd, fd, p.Stderr}, env)
}

// startOn starts the program with fds as its 0, 1 and 2. A descriptor below 3
// that is wanted elsewhere is copied out of the way first, since the child
// puts one after the other in its place.
func (p *Program) startOn(fds [3]int, env []string) (*Child, error) {
	for i, fd := range fds {
		if fd == i || fd > 2 {
			continue
		}
		high, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return nil, p.fail("dup", err)
		}
		defer unix.Close(high)
		fds[i] = high
	}
	catchIgnored()
	return start(spawn, p, fds, env)
}

// start starts the program with a spawner, and sees to it that it is waited
// for.
func start(spawn spawner, p *Program, fds [3]int, env []string) (*Child, error) {
	children.begin()
	pid, err := spawn(p, fds, env)
	if err != nil {
		children.end(nil)
		return nil, err
	}
	c := &Child{PID: pid}
	children.end(c)
	return c, nil
}

// ignored are the signals that this process ignored, and now catches. Nobody
// reads dropped, and package signal drops what does not fit.
var (
	dropped = make(chan os.Signal, 1)
	ignored struct {
		sync.Mutex
		signals []os.Signal
	}
)

// DefaultSignals sees to it that programs started from now on, by whatever
// means, get every signal at its default, whatever this process was started
// with. Start does so by itself.
func DefaultSignals() { catchIgnored() }

// catchIgnored replaces "ignored" by "caught and dropped": the difference
// shows only in children, where a caught signal is at its default again. Once
// done it costs a look at 64 bits.
func catchIgnored() {
	restoreCSignals()
	for s := syscall.Signal(1); s <= 64; s++ {
		if signal.Ignored(s) {
			ignored.Lock()
			signal.Notify(dropped, s)
			ignored.signals = append(ignored.signals, s)
			ignored.Unlock()
		}
	}
}

// ignoreCaught takes catchIgnored back, for a program that takes the place of
// this process.
func ignoreCaught() {
	ignored.Lock()
	defer ignored.Unlock()
	if len(ignored.signals) > 0 { // none would mean all
		signal.Ignore(ignored.signals...)
	}
}

// A spawner starts p with fds as its 0, 1 and 2, none of them below 3 but in
// its own place. The error is an *Error.
type spawner func(p *Program, fds [3]int, env []string) (pid int, err error)

// spawn takes the fast way where there is one.
func spawn(p *Program, fds [3]int, env []string) (pid int, err error) {
	if haveVfork() {
		return vforkExec(p, fds, env)
	}
	return forkExec(p, fds, env)
}
