package run

import (
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// forkExec is the plain way, with package syscall's ForkExec, for machines
// without the other one.
//
// ForkExec knows neither umask nor nice. Both belong to what a thread may have
// of its own, so threads that do nothing else set them on themselves and fork.
// Limits belong to the process as a whole: they cannot be set this way, and a
// program with limits is not run. Soft limits that were raised since this
// process began are an exception (confine), because they are in run scripts
// that used to work.
func forkExec(p *Program, fds [3]int, env []string) (pid int, err error) {
	if len(p.Limits) > 0 {
		return 0, p.fail("prlimit64", syscall.ENOSYS)
	}
	j := &job{p: p, fds: fds, env: env, done: make(chan struct{})}
	if p.Nice != 0 {
		go forkOnce(j)
	} else {
		forkers.once.Do(startForkers)
		forkers.jobs <- j
	}
	<-j.done
	return j.pid, j.err
}

// A job is one program to be started by a thread of its kind.
type job struct {
	p   *Program
	fds [3]int
	env []string

	done chan struct{}
	pid  int
	err  error
}

// forkers are threads that share neither umask nor signal mask with the rest.
// They are permanent: a thread costs more than what it does here.
var forkers struct {
	once sync.Once
	jobs chan *job
}

func startForkers() {
	forkers.jobs = make(chan *job)
	for range runtime.GOMAXPROCS(0) {
		go func() {
			mask, err := secede()
			for j := range forkers.jobs {
				j.run(mask, err)
			}
		}()
	}
}

// forkOnce runs one job on a thread that ends with it, because a nice value
// that has gone up does not come down again without privilege.
func forkOnce(j *job) {
	mask, err := secede()
	j.run(mask, err)
}

// secede gives the goroutine a thread of its own for good, with a umask of its
// own, which it returns, and no signal blocked.
func secede() (mask int, err error) {
	runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return 0, os.NewSyscallError("unshare", err)
	}
	mask = unix.Umask(0)
	unix.Umask(mask)
	return mask, unix.PthreadSigmask(unix.SIG_SETMASK, &unix.Sigset_t{}, nil)
}

// run starts j.p from this thread, which has seceded with mask and err.
func (j *job) run(mask int, err error) {
	defer close(j.done)
	if err != nil {
		j.err = j.p.fail("unshare", err)
		return
	}
	if j.p.Umask != nil {
		mask = *j.p.Umask
	}
	unix.Umask(mask)
	if j.err = j.p.raise(); j.err != nil {
		return
	}
	limits, err := j.p.originals(nil)
	if err != nil {
		j.err = err
		return
	}
	limits = slices.DeleteFunc(limits, func(l Limit) bool { return !ofMemory(l) })
	j.pid, err = syscall.ForkExec(j.p.Path, j.p.argv(), &syscall.ProcAttr{
		Dir:   j.p.Dir,
		Env:   j.env,
		Files: []uintptr{uintptr(j.fds[0]), uintptr(j.fds[1]), uintptr(j.fds[2])},
		Sys: &syscall.SysProcAttr{Setsid: j.p.Setsid, Credential: j.p.credential(),
			Ptrace: len(limits) > 0},
	})
	if j.err = j.p.fail("fork/exec", err); err == nil && len(limits) > 0 {
		j.confine(limits)
	}
}

// confine sets limits that the program must find when it begins, and this
// process could not bear until then. The program is stopped before its first
// instruction, as a debugger has it, by this very thread. The price is that a
// program that is setuid runs without that, unless we are privileged.
func (j *job) confine(limits []Limit) {
	_, err := syscall.Wait4(j.pid, nil, unix.WALL, nil)
	for _, l := range limits {
		if err == nil {
			err = unix.Prlimit(j.pid, l.Resource, &unix.Rlimit{Cur: l.Soft, Max: l.Hard}, nil)
		}
	}
	if err == nil {
		err = syscall.PtraceDetach(j.pid)
	}
	if err == nil {
		return
	}
	syscall.Kill(j.pid, syscall.SIGKILL)
	syscall.Wait4(j.pid, nil, unix.WALL, nil)
	j.pid, j.err = 0, j.p.fail("prlimit64", err)
}

func (p *Program) credential() *syscall.Credential {
	c := p.Cred
	if c == nil {
		return nil
	}
	sc := &syscall.Credential{Uid: c.UID, Gid: c.GID, Groups: c.Groups, NoSetGroups: c.KeepGroups}
	if c.KeepUser {
		sc.Uid = uint32(os.Getuid())
	}
	return sc
}
