package run

import (
	"runtime"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// Exec puts the program in place of this process, with the environment env.
// Descriptors 0, 1 and 2 stay as they are, except that StderrSocket makes all
// three the connection on 0; whoever opened others closed them on exec.
// Signals that were ignored when this process began stay so, as through any
// wrapper in C, and the soft limits of open files, address space and data are
// those it began with, as Start has it.
//
// Exec returns only if something failed. Then it returns an *Error, and
// settings made before the one that failed stay made: the caller can do little
// but report it and exit.
func (p *Program) Exec(env []string) error {
	if p.Nice != 0 {
		runtime.LockOSThread() // nice is a property of the thread; exec keeps the one that calls it
		defer runtime.UnlockOSThread()
	}

	if err := p.become(); err != nil {
		return err
	}
	limits, err := p.originals(nil)
	if err != nil {
		return err
	}
	ignoreCaught()
	if slices.ContainsFunc(limits, ofMemory) {
		return p.fail("execve", replace(p.Path, p.argv(), env, limits))
	}
	return p.fail("execve", syscall.Exec(p.Path, p.argv(), env)) // which gives back the limit of open files
}

// become makes the settings of p those of this process.
func (p *Program) become() error {
	if p.Stderr == StderrSocket {
		for _, fd := range []int{1, 2} {
			if err := unix.Dup3(0, fd, 0); err != nil {
				return p.fail("dup3", err)
			}
		}
	}
	if p.Umask != nil {
		unix.Umask(*p.Umask)
	}
	if err := p.raise(); err != nil {
		return err
	}
	for _, l := range p.Limits {
		if err := syscall.Setrlimit(l.Resource, &syscall.Rlimit{Cur: l.Soft, Max: l.Hard}); err != nil {
			return p.fail("setrlimit", err)
		}
	}
	if err := p.assume(); err != nil {
		return err
	}
	if p.Dir != "" {
		return p.fail("chdir", unix.Chdir(p.Dir))
	}
	return nil
}

// raise adds to the nice value of this thread.
func (p *Program) raise() error {
	if p.Nice == 0 {
		return nil
	}
	n, err := niceness()
	if err != nil {
		return p.fail("getpriority", err)
	}
	return p.fail("setpriority", unix.Setpriority(unix.PRIO_PROCESS, 0, n+p.Nice))
}

// niceness returns the nice value of this thread. The system call returns 20
// less it, so that a negative number is always an error.
func niceness() (int, error) {
	n, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	return 20 - n, err
}

// assume changes groups, group and user, in the order in which each still may
// be changed. Package syscall does so on every thread.
func (p *Program) assume() error {
	c := p.Cred
	if c == nil {
		return nil
	}
	if !c.KeepGroups {
		groups := make([]int, len(c.Groups))
		for i, g := range c.Groups {
			groups[i] = int(g)
		}
		if err := syscall.Setgroups(groups); err != nil {
			return p.fail("setgroups", err)
		}
	}
	if err := syscall.Setgid(int(c.GID)); err != nil {
		return p.fail("setgid", err)
	}
	if c.KeepUser {
		return nil
	}
	return p.fail("setuid", syscall.Setuid(int(c.UID)))
}
