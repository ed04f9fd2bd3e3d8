// Package banner reads the files whose text clients are sent, xinetd's banner,
// banner_success and banner_fail.
//
// A file is sent only if its mode lets the service's user read it. xinetd
// reads some banners as root, and sends /etc/shadow to whoever connects if
// somebody may write its configuration. The directories above the file are
// not looked at.
package banner

import (
	"errors"
	"io"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"doorward/launcher/run"
)

// maxBanner is how long a banner may be: what a socket takes at once.
const maxBanner = 64 << 10

// Read returns the text of a banner that a user may read; nil: this process.
// It cannot be held up by a FIFO.
func Read(file string, reader *run.Credential) (string, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", errors.Unwrap(err)
	}
	defer f.Close()
	var st unix.Stat_t
	raw, err := f.SyscallConn()
	if err != nil {
		return "", err
	}
	if err := errors.Join(raw.Control(func(fd uintptr) { err = unix.Fstat(int(fd), &st) }), err); err != nil {
		return "", err
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return "", errors.New("not a file")
	case st.Size > maxBanner:
		return "", errors.New("longer than 64 KiB")
	case reader != nil && !mayRead(reader, &st):
		return "", errors.New("the user of the service may not read it")
	}
	text, err := io.ReadAll(io.LimitReader(f, maxBanner))
	return string(text), err
}

// mayRead reports whether the mode of a file lets a user read it.
func mayRead(c *run.Credential, st *unix.Stat_t) bool {
	switch {
	case c.UID == 0:
		return true
	case st.Uid == c.UID:
		return st.Mode&unix.S_IRUSR != 0
	case st.Gid == c.GID || slices.Contains(c.Groups, st.Gid):
		return st.Mode&unix.S_IRGRP != 0
	}
	return st.Mode&unix.S_IROTH != 0
}
