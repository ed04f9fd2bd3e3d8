package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// A maildir is a directory with tmp, new and cur below it (maildir(5)): a
// message is written in tmp and moved to new when it is safe on disk, so that
// whoever reads new never sees half of one, and nobody needs a lock.
type maildir string

// openMaildir returns the Maildir dir. It makes what is missing of it.
func openMaildir(dir string) (maildir, error) {
	for _, sub := range []string{"tmp", "new", "cur"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return "", err
		}
	}
	return maildir(dir), nil
}

// Deliver stores the message read from r and returns its name in new. After an
// error nothing of it is left. After none it survives a power failure.
func (m maildir) Deliver(r io.Reader) (name string, err error) {
	name, err = uniqueName(time.Now())
	if err != nil {
		return "", err
	}
	tmp := filepath.Join(string(m), "tmp", name)
	if err := write(tmp, r); err != nil {
		if !errors.Is(err, fs.ErrExist) { // then it is somebody else's
			os.Remove(tmp)
		}
		return "", err
	}
	if err := os.Rename(tmp, filepath.Join(string(m), "new", name)); err != nil {
		os.Remove(tmp)
		return "", err
	}
	return name, syncDir(filepath.Join(string(m), "new"))
}

// write makes the file name, which must not exist, out of r, on disk.
func write(name string, r io.Reader) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Sync(), f.Close())
}

// syncDir makes the names in dir survive, not only the files.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

var deliveries atomic.Uint64

// uniqueName returns a file name that no other delivery has: the time, then
// microseconds, process and count within it, then the host (maildir(5)), with
// the two characters that mean something in a Maildir's names escaped.
func uniqueName(now time.Time) (string, error) {
	host, err := os.Hostname()
	if err != nil {
		return "", err
	}
	host = strings.NewReplacer("/", `\057`, ":", `\072`).Replace(host)
	return fmt.Sprintf("%d.M%dP%dQ%d.%s", now.Unix(), now.Nanosecond()/1000, os.Getpid(), deliveries.Add(1), host), nil
}
