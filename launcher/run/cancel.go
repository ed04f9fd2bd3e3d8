package run

import (
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The C library keeps two signals for itself (pthread_cancel(3), setuid(2) of
// all threads). posix_spawn(3), by which make(1) and systemd start programs,
// leaves them ignored in what it starts, and package signal does not know
// them.
var cSignals = [...]uintptr{32, 33}

// sigaction is the kernel's (rt_sigaction(2)).
type sigaction struct {
	handler, flags, restorer uintptr
	mask                     uint64
}

const (
	sigDefault = 0
	sigIgnore  = 1
)

// restoreCSignals puts those that this process ignores back to their default,
// so that programs it starts do not inherit that. In a process without C
// threads nobody sends them.
var restoreCSignals = sync.OnceFunc(func() {
	for _, sig := range cSignals {
		var now sigaction
		if setAction(sig, nil, &now) == 0 && now.handler == sigIgnore {
			setAction(sig, &sigaction{handler: sigDefault}, nil)
		}
	}
})

func setAction(sig uintptr, act, old *sigaction) unix.Errno {
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, sig, uintptr(unsafe.Pointer(act)), uintptr(unsafe.Pointer(old)),
		unsafe.Sizeof(act.mask), 0, 0)
	return errno
}
