//go:build !forkexec

package run

import (
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A process started on a connection costs mostly its exec, about 100 us here,
// and that is the kernel's. What is left to whoever starts it is not to add to
// it. On two cores, with a static program that only exits, 16 starts a core at
// once, for one start, all counted (BenchmarkStart, two runs in quiet minutes):
//
//	                      time     processor   allocated
//	syscall.ForkExec      210 us      310 us   670 B in 11
//	this file             110 us      190 us   210 B in 4, all of them for Wait
//
// ForkExec takes a lock around pipe and clone, so that one start waits for
// another; makes a pipe to hear of errors and reads it, two descriptors and
// another sleep for each; and puts signals back one by one. Here the child says
// in the memory it shares with its parent what failed, and clone3 puts all
// signals back at once (CLONE_CLEAR_SIGHAND). Without a pipe nothing needs the
// lock: every descriptor Go or doorward opens is closed on exec from birth.
//
// The child runs no Go code, and no code at all but a loop of ten instructions
// that makes the system calls of a list (see plan). So nothing in it can
// allocate, grow a stack, take a lock or meet the garbage collector; umask,
// nice and resource limits, which ForkExec does not know, are three more lines
// in the list; and they are set in the child, so that they race with nobody.
//
// fork instead of vfork copies page tables: with 1 GiB in use a C program
// starts 117 programs a second that way and 8,000 this way. A helper process
// that sets things up and execs again costs another exec.
//
// As with ForkExec, the scheduler takes the sleeping parent for a goroutine at
// work: a program that is slow to load, from a disk that hangs, keeps one
// processor of GOMAXPROCS from the other connections until it is loaded. To tell
// the scheduler (runtime.entersyscall) was tried: in every start it then took
// the processor away, woke a thread for it and found another one afterwards,
// which made starts 15 us longer and a front end with 64 clients 10 % slower.
//
// Nor does it help to let the parent go on while its child is on the way to
// execve (CLONE_VM without CLONE_VFORK, as the child needs no stack): in C that
// served 7 % more clients with 64 at once, the slowest of a hundred after 21 ms
// instead of 16, and whether a program could be started was known only later.
//
// Where the kernel lacks clone3, or a sandbox forbids it, forkExec takes over
// at the first attempt. The build tag forkexec leaves all of this out.

// cloneArgs is struct clone_args as of Linux 5.3 (clone(2)).
type cloneArgs struct {
	flags, _, _, _, exitSignal, _, _, _ uint64
}

// A failure is the word that a child leaves when it could not go on.
type failure struct {
	errno uintptr
	op    uintptr // address of the op that failed
}

//go:noescape
func vfork(args *cloneArgs, ops *op, failed *failure) (pid, errno uintptr)

// maxOps is more than any program needs: a dozen settings and sixteen limits.
const maxOps = 32

// A plan is all that a child reads between clone and exec, prepared by its
// parent. Plans are used again, so that starting a program allocates nothing
// in the long run. Memory of the heap stays where it is, and the parent holds
// the plan until the child has let go of it.
type plan struct {
	args   cloneArgs
	failed failure
	ops    [maxOps]op
	n      int

	text    []byte  // every string, with a NUL after each
	pointer []*byte // argv, nil, envp, nil
	argv    int     // index in pointer of argv, of envp
	envp    int

	mask    uint64 // the empty signal mask
	limits  []Limit
	rlimits [maxOps]unix.Rlimit
	groups  []uint32
}

var plans = sync.Pool{New: func() any { return new(plan) }}

// add appends a system call to the plan.
func (pl *plan) add(nr, a, b, c, d uintptr) {
	pl.ops[pl.n] = op{nr, a, b, c, d}
	pl.n++
}

// vforkExec starts a program with a vfork of its own.
func vforkExec(p *Program, fds [3]int, env []string) (pid int, err error) {
	pl := plans.Get().(*plan)
	defer plans.Put(pl)
	if err := pl.prepare(p, fds, env); err != nil {
		return 0, err
	}
	child, errno := vfork(&pl.args, &pl.ops[0], &pl.failed)
	runtime.KeepAlive(p)
	switch e := syscall.Errno(errno); e {
	case 0:
	case syscall.ENOSYS, syscall.EINVAL, syscall.EPERM:
		noVfork.Store(true)
		return forkExec(p, fds, env)
	default:
		return 0, p.fail("clone3", e)
	}
	if pl.failed.errno != 0 {
		buryChild(int(child))
		return 0, p.fail(pl.blame(), syscall.Errno(pl.failed.errno))
	}
	return int(child), nil
}

// buryChild takes a child that never became the program out of the process
// table.
func buryChild(pid int) {
	for {
		if _, err := syscall.Wait4(pid, nil, 0, nil); err != syscall.EINTR {
			break
		}
	}
}

// prepare writes the plan for p.
func (pl *plan) prepare(p *Program, fds [3]int, env []string) error {
	if len(p.Limits) > maxOps/2 {
		return p.fail("prlimit64", syscall.E2BIG)
	}
	if err := pl.strings(p, env); err != nil {
		return p.fail("execve", err)
	}
	pl.n, pl.failed = 0, failure{}
	pl.args = cloneArgs{
		flags:      unix.CLONE_VM | unix.CLONE_VFORK | unix.CLONE_CLEAR_SIGHAND,
		exitSignal: uint64(unix.SIGCHLD),
	}
	if p.Setsid {
		pl.add(unix.SYS_SETSID, 0, 0, 0, 0)
	}
	pl.add(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&pl.mask)), 0, unsafe.Sizeof(pl.mask))
	if p.Umask != nil {
		pl.add(unix.SYS_UMASK, uintptr(*p.Umask), 0, 0, 0)
	}
	if err := pl.resources(p); err != nil {
		return err
	}
	pl.credential(p.Cred)
	pl.rest(p, fds)
	return nil
}

// resources plans nice and limits, while the child may still raise them.
func (pl *plan) resources(p *Program) error {
	if p.Nice != 0 {
		n, err := niceness()
		if err != nil {
			return p.fail("getpriority", err)
		}
		pl.add(unix.SYS_SETPRIORITY, unix.PRIO_PROCESS, 0, uintptr(n+p.Nice), 0)
	}
	var err error
	if pl.limits, err = p.originals(append(pl.limits[:0], p.Limits...)); err != nil {
		return err
	}
	for i, l := range pl.limits {
		pl.rlimits[i] = unix.Rlimit{Cur: l.Soft, Max: l.Hard}
		pl.ops[pl.n] = limitOp(l.Resource, &pl.rlimits[i])
		pl.n++
	}
	return nil
}

func (pl *plan) credential(c *Credential) {
	if c == nil {
		return
	}
	if !c.KeepGroups {
		pl.groups = append(pl.groups[:0], c.Groups...)
		pl.groups = append(pl.groups, 0) // so that there is a first one to point to
		pl.add(unix.SYS_SETGROUPS, uintptr(len(c.Groups)), uintptr(unsafe.Pointer(&pl.groups[0])), 0, 0)
	}
	pl.add(unix.SYS_SETGID, uintptr(c.GID), 0, 0, 0)
	if !c.KeepUser {
		pl.add(unix.SYS_SETUID, uintptr(c.UID), 0, 0, 0)
	}
}

// rest plans what comes last: the directory, entered with the user's rights,
// the descriptors, and execve.
func (pl *plan) rest(p *Program, fds [3]int) {
	if p.Dir != "" {
		pl.add(unix.SYS_CHDIR, uintptr(unsafe.Pointer(pl.pointer[1])), 0, 0, 0)
	}
	for i, fd := range fds {
		if fd == i {
			pl.add(unix.SYS_FCNTL, uintptr(fd), unix.F_SETFD, 0, 0)
		} else {
			pl.add(unix.SYS_DUP3, uintptr(fd), uintptr(i), 0, 0)
		}
	}
	pl.add(unix.SYS_EXECVE, uintptr(unsafe.Pointer(pl.pointer[0])), uintptr(unsafe.Pointer(&pl.pointer[pl.argv])), uintptr(unsafe.Pointer(&pl.pointer[pl.envp])), 0)
}

// strings writes path, directory, arguments and environment as C wants them.
func (pl *plan) strings(p *Program, env []string) error {
	argv := p.argv()
	size := len(p.Path) + len(p.Dir) + 2
	for _, list := range [][]string{argv, env} {
		for _, s := range list {
			size += len(s) + 1
		}
	}
	if cap(pl.text) < size {
		pl.text = make([]byte, 0, 2*size)
	}
	pl.text, pl.pointer = pl.text[:0], pl.pointer[:0]

	ok := pl.string(p.Path) && pl.string(p.Dir)
	pl.argv = len(pl.pointer)
	for _, s := range argv {
		ok = ok && pl.string(s)
	}
	pl.pointer = append(pl.pointer, nil)
	pl.envp = len(pl.pointer)
	for _, s := range env {
		ok = ok && pl.string(s)
	}
	pl.pointer = append(pl.pointer, nil)
	if !ok {
		return syscall.EINVAL
	}
	return nil
}

// string appends one string. The text has room for all of them: it does not
// move under the pointers. A string with a NUL in it cannot be passed on.
func (pl *plan) string(s string) bool {
	at := len(pl.text)
	pl.text = append(append(pl.text, s...), 0)
	pl.pointer = append(pl.pointer, &pl.text[at])
	return strings.IndexByte(s, 0) < 0
}

// blame names the system call that failed.
func (pl *plan) blame() string {
	i := (pl.failed.op - uintptr(unsafe.Pointer(&pl.ops[0]))) / unsafe.Sizeof(op{})
	switch pl.ops[i].nr {
	case unix.SYS_SETSID:
		return "setsid"
	case unix.SYS_SETPRIORITY:
		return "setpriority"
	case unix.SYS_PRLIMIT64:
		return "prlimit64"
	case unix.SYS_SETGROUPS:
		return "setgroups"
	case unix.SYS_SETGID:
		return "setgid"
	case unix.SYS_SETUID:
		return "setuid"
	case unix.SYS_CHDIR:
		return "chdir"
	case unix.SYS_DUP3, unix.SYS_FCNTL:
		return "dup3"
	}
	return "execve"
}

// noVfork is set once clone3 has said that it will not do: the kernel is older
// than what is asked of it (Linux 5.5: ENOSYS, EINVAL), or whoever confines
// this process forbids it (ENOSYS, EPERM).
var noVfork atomic.Bool

func haveVfork() bool { return !noVfork.Load() }
