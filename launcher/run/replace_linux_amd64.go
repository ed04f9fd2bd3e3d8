package run

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// An op is one system call of a list.
type op struct {
	nr, a, b, c, d uintptr
}

// calls makes the system calls of ops, one after the other, up to the first
// that fails, and then those of undo, up to the first that fails. One must:
// nothing else ends a list.
//
//go:noescape
func calls(ops, undo *op) (errno uintptr)

// limitOp is the op that sets l, whose resource is that of the limit of a
// Program.
func limitOp(resource int, l *unix.Rlimit) op {
	return op{unix.SYS_PRLIMIT64, 0, uintptr(resource), uintptr(unsafe.Pointer(l)), 0}
}

// replace is syscall.Exec under limits that Go cannot live with: once they are
// set, a thread of the runtime that asks for memory ends the process. So from
// there to execve no other goroutine runs: there is one processor left, this
// goroutine has it, and cannot be preempted in assembly. Nor is a thread made
// meanwhile, against which syscall.Exec has a lock (go.dev/issue/19546).
func replace(path string, argv, env []string, limits []Limit) error {
	pathp, err1 := syscall.BytePtrFromString(path)
	argvp, err2 := syscall.SlicePtrFromStrings(argv)
	envp, err3 := syscall.SlicePtrFromStrings(env)
	if err1 != nil || err2 != nil || err3 != nil {
		return syscall.EINVAL
	}
	var ops, undo []op
	var rlimits []*unix.Rlimit
	for _, l := range limits {
		lower, raise := &unix.Rlimit{Cur: l.Soft, Max: l.Hard}, &unix.Rlimit{Cur: l.Hard, Max: l.Hard}
		ops, undo = append(ops, limitOp(l.Resource, lower)), append(undo, limitOp(l.Resource, raise))
		rlimits = append(rlimits, lower, raise)
	}
	ops = append(ops, op{unix.SYS_EXECVE, uintptr(unsafe.Pointer(pathp)), uintptr(unsafe.Pointer(&argvp[0])), uintptr(unsafe.Pointer(&envp[0])), 0})
	undo = append(undo, op{nr: ^uintptr(0)}) // no system call: the end

	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	errno := calls(&ops[0], &undo[0])
	runtime.KeepAlive(pathp)
	runtime.KeepAlive(argvp)
	runtime.KeepAlive(envp)
	runtime.KeepAlive(rlimits)
	return syscall.Errno(errno)
}
