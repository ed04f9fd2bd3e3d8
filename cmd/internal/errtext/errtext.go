// Package errtext names the errors of the system as D. J. Bernstein's programs
// do. Their messages are searched for in logs and compared in scripts, and the
// C library's words, which are also Go's, are others.
package errtext

import (
	"errors"
	"syscall"
)

// other has the errors that a program which opens, writes and moves files can
// meet and that have another name in Go.
var other = map[syscall.Errno]string{
	syscall.EACCES:  "access denied",
	syscall.EBADF:   "file descriptor not open",
	syscall.EBUSY:   "device busy",
	syscall.EEXIST:  "file already exists",
	syscall.EFBIG:   "file too big",
	syscall.ELOOP:   "symbolic link loop",
	syscall.EMFILE:  "process cannot open more files",
	syscall.ENFILE:  "system cannot open more files",
	syscall.ENODEV:  "device does not support operation",
	syscall.ENOENT:  "file does not exist",
	syscall.ENOMEM:  "out of memory",
	syscall.ENOSPC:  "out of disk space",
	syscall.ENXIO:   "device not configured",
	syscall.EPERM:   "permission denied",
	syscall.ESPIPE:  "unseekable descriptor",
	syscall.ETXTBSY: "text busy",
	syscall.EXDEV:   "cross-device link",
}

// Of returns the name of the system's error that err wraps, or else what err
// itself says.
func Of(err error) string {
	var number syscall.Errno
	if !errors.As(err, &number) {
		return err.Error()
	}
	if s, ok := other[number]; ok {
		return s
	}
	return number.Error()
}
