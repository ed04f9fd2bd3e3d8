package launcher

import (
	"errors"
	"io"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"doorward/acl"
	"doorward/launcher/journal"
	"doorward/launcher/run"
)

// Banners are files whose text a client is sent as it stands, as xinetd does:
// first Always, then, once it is decided, Success or Fail. They are read anew
// for each client. The zero Banners are none.
//
// A file is sent only if its mode lets the service's user read it. xinetd
// reads some banners as root, and sends /etc/shadow to whoever connects if
// somebody may write its configuration. The directories above the file are
// not looked at.
//
// A banner that cannot be sent keeps nobody out; the journal hears of it.
type Banners struct {
	Always  string // to every client
	Success string // to one that is let in
	Fail    string // to one that is kept out, by a rule, a condition or a limit; not if there is a reply

	// Reader is who must be able to read the files; nil: this process.
	Reader *run.Credential
}

// maxBanner is how long a banner may be: what a socket takes at once.
const maxBanner = 64 << 10

// send sends a banner, by the deadline or not all of it. What went wrong with
// the file is a note; what the client did is its own affair.
func (b *Banners) send(fd int, file string, deadline time.Time, e *journal.Event) {
	if file == "" {
		return
	}
	text, err := b.read(file)
	if err != nil {
		e.Notes = append(e.Notes, acl.Note{Pos: e.Rule, Text: "banner " + file + " not sent: " + err.Error()})
		return
	}
	run.Send(fd, text, deadline)
}

// read returns the text of a banner. It cannot be held up by a FIFO.
func (b *Banners) read(file string) (string, error) {
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
	case b.Reader != nil && !mayRead(b.Reader, &st):
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
