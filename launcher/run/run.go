// Package run hands a connection to a program.
//
// Programs that inetd, tcpd and tcpserver start expect the connection on
// descriptors 0 and 1, and know nothing of who started them. So a [Program]
// gets a blocking socket there, a log on 2 and no other descriptor; every
// signal at its default and none blocked; the environment the caller names and
// nothing else; a umask, directory, session, user and limits of its own.
// A setting that cannot be made means that the program does not run.
//
//   - [Program.Exec] puts the program in place of this process, as tcpd does.
//   - [Program.Start] starts it as a child, as a superdaemon does. The child is
//     waited for with all others by one goroutine, not by a thread each.
//   - [Handover] carries out what a decision's options ask for
//     (hosts_options(5)): it changes the program, the socket, or runs a
//     command, all through one table.
//
// Nothing in here decides anything; that is package acl's work.
package run

import (
	"syscall"
)

// A Program says what to run and as whom. The zero value of every field but
// Path leaves things as they are in this process.
type Program struct {
	Path string   // the executable; a relative one counts from Dir
	Argv []string // its arguments, its name first; nil means Path alone

	Dir    string      // working directory
	Umask  *int        // file mode creation mask; nil keeps this process's
	Cred   *Credential // user and groups; nil keeps this process's
	Nice   int         // added to the nice value, as nice(2) does
	Setsid bool        // start a session of its own; for Start only
	Limits []Limit     // resource limits, set before the user changes

	// Stderr is the descriptor that becomes the program's 2. 0 means this
	// process's own descriptor 2, and StderrSocket the connection, as under
	// inetd.
	Stderr int

	// Null gives the program /dev/null on 0, 1 and 2; for Start only.
	Null bool
}

// StderrSocket as Program.Stderr makes the connection the program's
// descriptor 2 too.
const StderrSocket = -1

// A Credential is who a program runs as. The groups are set first, then the
// group, then the user; where one of the three fails, nothing is run.
type Credential struct {
	UID, GID uint32
	Groups   []uint32 // supplementary groups, all of them; nil means none

	// KeepUser leaves the user alone, KeepGroups the supplementary groups, for
	// "group" alone in hosts_options(5).
	KeepUser, KeepGroups bool
}

// A Limit is one resource limit, soft and hard, in the units of setrlimit(2).
type Limit struct {
	Resource int // unix.RLIMIT_CPU and so on
	Soft     uint64
	Hard     uint64
}

// An Error says which step in setting a program up failed.
type Error struct {
	Path string // of the program
	Op   string // the system call: "setgroups", "chdir", "execve" ...
	Err  error  // a syscall.Errno
}

func (e *Error) Error() string { return e.Path + ": " + e.Op + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

func (p *Program) argv() []string {
	if len(p.Argv) == 0 {
		return []string{p.Path}
	}
	return p.Argv
}

// fail wraps the error of a step; nil stays nil.
func (p *Program) fail(op string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{p.Path, op, err}
}

// A Status is how a program ended, as wait(2) has it: tcpserver logs the
// number as it is (exit 7 is 1792, killed by SIGKILL is 9).
type Status = syscall.WaitStatus
