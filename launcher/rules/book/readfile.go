package book

import (
	"bytes"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Patience with a file that somebody is writing.
const (
	writerPause = 5 * time.Millisecond
	settle      = 50 * time.Millisecond // how long a file must not change where the kernel cannot tell of writers

	// Then a file is read as it stands: a writer may keep it open for ever.
	// But on a busy machine one can be kept for half a second between emptying
	// a file and writing it; that was seen.
	writerLimit = 5 * time.Second
)

// ReadFile reads a file that may be written in place while it is read.
//
// Whoever writes in place empties the file first, and half of a hosts.deny
// lets in whom the whole one keeps out. A read lease (fcntl(2), F_SETLEASE)
// can only be had on a file that nobody has open for writing, and whoever
// opens it for writing waits until the lease is given back: what is read under
// it is what somebody has finished writing. Where there are no leases (network
// file systems, somebody else's files), a file must read the same twice.
func ReadFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for end := time.Now().Add(writerLimit); ; time.Sleep(writerPause) {
		switch lease(f, unix.F_RDLCK) {
		case nil:
			defer lease(f, unix.F_UNLCK)
			return io.ReadAll(f)
		case unix.EAGAIN: // somebody is writing
			if time.Now().Before(end) {
				continue
			}
		}
		return readTwice(f)
	}
}

func lease(f *os.File, kind int) error {
	_, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, kind)
	return err
}

// readTwice reads a file until it has not changed for a moment.
func readTwice(f *os.File) ([]byte, error) {
	last, err := io.ReadAll(f)
	for end := time.Now().Add(writerLimit); err == nil && time.Now().Before(end); {
		time.Sleep(settle)
		var now []byte
		if now, err = readAgain(f); bytes.Equal(now, last) {
			break
		}
		last = now
	}
	return last, err
}

func readAgain(f *os.File) ([]byte, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return io.ReadAll(f)
}
