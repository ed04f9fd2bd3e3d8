// Package file reads files for programs that live as long as one connection.
package file

import (
	"io/fs"
	"syscall"
)

// Read returns what is in a file, like os.ReadFile: errors are *fs.PathError.
//
// Package os asks Go's poller about each file, which for the first one has to
// make itself ready: a dozen system calls for a file that needs four. tcpd,
// which reads two, became 3 % faster.
func Read(name string) ([]byte, error) {
	fd, err := retry(func() (int, error) { return syscall.Open(name, syscall.O_RDONLY|syscall.O_CLOEXEC, 0) })
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	defer syscall.Close(fd)
	text := make([]byte, 0, 4096)
	for {
		if len(text) == cap(text) {
			text = append(text, 0)[:len(text)]
		}
		n, err := retry(func() (int, error) { return syscall.Read(fd, text[len(text):cap(text)]) })
		if err != nil {
			return nil, &fs.PathError{Op: "read", Path: name, Err: err}
		}
		if n == 0 {
			return text, nil
		}
		text = text[:len(text)+n]
	}
}

// retry calls f again when a signal came in between.
func retry(f func() (int, error)) (n int, err error) {
	for {
		if n, err = f(); err != syscall.EINTR {
			return n, err
		}
	}
}
