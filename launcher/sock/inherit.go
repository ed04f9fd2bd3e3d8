package sock

import (
	"os"

	"golang.org/x/sys/unix"
)

// KeepInherited marks every descriptor from 3 on as closed on exec, so that
// none that this process inherited by accident reaches the programs it starts.
// Call it first thing, after taking what was meant to be inherited. Kernels
// before Linux 5.11 cannot do it, which is no error.
func KeepInherited() error {
	err := unix.CloseRange(3, 1<<32-1, unix.CLOSE_RANGE_CLOEXEC)
	if err == unix.ENOSYS || err == unix.EINVAL {
		return nil
	}
	return os.NewSyscallError("close_range", err)
}
