package servicelog

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

var pid = os.Getpid()

// A file is a log file that others may rename, remove and shorten.
type file struct {
	path string

	mu   sync.Mutex
	f    *os.File
	said string // what was last wrong with it
}

// write adds a line. It returns what somebody should hear, if that is new.
func (f *file) write(time, line []byte, c Config) (news string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	text := append(append(time, line...), '\n')
	size, err := f.open()
	was := f.said
	switch after := size + int64(len(text)); {
	case err != nil:
		f.said = fmt.Sprintf("%s: cannot be written to: %v", f.path, err)
	case c.Hard > 0 && after > c.Hard:
		f.said = fmt.Sprintf("%s: has reached its hard limit of %d bytes: nothing is written until there is room", f.path, c.Hard)
	case c.Soft > 0 && after > c.Soft:
		f.said = fmt.Sprintf("%s: has reached its soft limit of %d bytes", f.path, c.Soft)
		_, err = f.f.Write(text)
	default:
		f.said = ""
		_, err = f.f.Write(text)
	}
	if err != nil && f.said == "" {
		f.said = fmt.Sprintf("%s: cannot be written to: %v", f.path, err)
	}
	if f.said == was {
		return ""
	}
	return f.said
}

// open sees to it that f.f is the file of that path, and returns its size. It
// cannot be held up by a FIFO.
func (f *file) open() (size int64, err error) {
	now, err := os.Stat(f.path)
	if err == nil && f.f != nil {
		if open, err := f.f.Stat(); err == nil && os.SameFile(now, open) {
			return open.Size(), nil
		}
	}
	f.release()
	f.f, err = os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|unix.O_NONBLOCK, 0o644)
	if err != nil {
		return 0, errors.Unwrap(err)
	}
	now, err = f.f.Stat()
	if err == nil && !now.Mode().IsRegular() {
		err = errors.New("not a file")
	}
	if err != nil {
		f.release()
		return 0, err
	}
	return now.Size(), nil
}

func (f *file) release() {
	if f.f != nil {
		f.f.Close()
		f.f = nil
	}
}

func (f *file) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.release()
}
