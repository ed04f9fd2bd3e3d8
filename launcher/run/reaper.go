package run

import (
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A reaper waits for all children, in one goroutine and the thread that this
// takes. It looks who has ended before it waits for that one (WNOWAIT), since
// other packages may have children of their own.
//
// A pidfd for each child was tried, in Go's poller and in an epoll descriptor
// for all of them. But whatever is open here is copied into each child and
// closed again by its execve, so that starting a program costs the more the
// more programs run, and each takes three more system calls. With 64 clients
// at once a connection cost 338 us of processor time that way, program
// included, and costs 320 this way (medians of nine runs side by side).
type reaper struct {
	mu       sync.Mutex
	once     sync.Once
	by       map[int]*Child // children that have not been waited for
	starting int            // programs being started, whose numbers are not known yet
	orphans  bool           // wait for those as well whom nobody here has started
	parked   bool           // there was no child: the reaper waits for kick
	kick     chan struct{}

	stuck int // who has ended and could not be waited for; the goroutine's own
}

var children = reaper{by: make(map[int]*Child), kick: make(chan struct{}, 1)}

// Under load most of the cost of hearing of an end is to be woken for it. So
// while more than fewChildren run, the reaper lets batchPause pass between two
// looks: nobody waits for it but whoever waits for a place at a full gate.
const (
	batchPause  = time.Millisecond
	fewChildren = 4
)

// stuckPause is the same where somebody has ended whom this reaper must not
// wait for, and who would be found again at once.
const stuckPause = 5 * time.Millisecond

// ReapOrphans has children waited for that nothing here has started: the
// first process of a container gets everybody whose parent has ended. Who
// calls it must have no children but through this package.
func ReapOrphans() {
	children.mu.Lock()
	defer children.mu.Unlock()
	children.orphans = true
}

// begin says that a program is being started.
func (r *reaper) begin() {
	r.once.Do(func() {
		// Nobody wants the signal, which would interrupt a thread for each
		// child. (Go has a handler for it that does nothing.)
		setAction(uintptr(unix.SIGCHLD), &sigaction{handler: sigDefault}, nil)
		go r.run()
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.starting++
}

// end says that it has been started, or with nil that it has not.
func (r *reaper) end(c *Child) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.starting--
	if c == nil {
		return
	}
	r.by[c.PID] = c
	if r.parked {
		r.parked = false
		r.kick <- struct{}{}
	}
}

// watch has w told of the end of c.
func (r *reaper) watch(c *Child, w Watcher) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.watcher = w
}

func (r *reaper) run() {
	for {
		_, err := ended(unix.P_ALL, 0, 0)
		pause := r.reap()
		if err == unix.ECHILD && r.park() {
			<-r.kick
		}
		if pause > 0 {
			time.Sleep(pause)
		}
	}
}

// park reports that there is nobody to wait for until somebody kicks.
func (r *reaper) park() bool {
	r.sweep() // who is no child of ours never ends
	r.mu.Lock()
	defer r.mu.Unlock()
	r.parked = len(r.by) == 0
	return r.parked
}

// reap waits for everybody who has ended, and returns how long to leave it at
// that.
func (r *reaper) reap() time.Duration {
	for {
		pid, err := ended(unix.P_ALL, 0, unix.WNOHANG)
		if pid == 0 || err != nil {
			return r.pause()
		}
		c, orphan := r.find(pid)
		switch {
		case orphan:
			syscall.Wait4(pid, nil, unix.WNOHANG, nil)
		case c != nil && c.finish():
		case r.stuck != pid: // most often somebody is about to watch it
			r.stuck = pid
			return batchPause
		default:
			r.sweep()
			return stuckPause
		}
	}
}

func (r *reaper) pause() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.by) > fewChildren {
		return batchPause
	}
	return 0
}

// find returns the child with that number, or says that it is an orphan to be
// waited for.
func (r *reaper) find(pid int) (c *Child, orphan bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c = r.by[pid]
	return c, c == nil && r.orphans && r.starting == 0
}

// sweep looks at each child by itself, past those that are not to be waited
// for.
func (r *reaper) sweep() {
	r.mu.Lock()
	all := make([]*Child, 0, len(r.by))
	for _, c := range r.by {
		all = append(all, c)
	}
	r.mu.Unlock()
	for _, c := range all {
		if pid, err := ended(unix.P_PID, c.PID, unix.WNOHANG); pid != 0 || err != nil {
			c.finish()
		}
	}
}

// watcherOf takes the watcher of a child.
func (r *reaper) watcherOf(c *Child) Watcher {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := c.watcher
	c.watcher = nil
	return w
}

func (r *reaper) forget(c *Child) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.by, c.PID)
}

// ended returns the number of a child that has ended and has not been waited
// for, and leaves it so; 0: there is none, with WNOHANG.
func ended(kind, id int, options int) (pid int, err error) {
	var info siginfo
	for {
		_, _, errno := unix.Syscall6(unix.SYS_WAITID, uintptr(kind), uintptr(id), uintptr(unsafe.Pointer(&info)),
			uintptr(options|unix.WEXITED|unix.WNOWAIT), 0, 0)
		switch errno {
		case 0:
			return int(info.pid), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// siginfo is the kernel's siginfo_t as waitid(2) fills it in.
type siginfo struct {
	signo, errno, code int32
	_                  int32
	pid                int32
	_                  [108]byte
}
