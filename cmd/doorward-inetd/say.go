package main

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// say writes a line to descriptor 2, the journal under systemd.
func say(line string) { io.WriteString(stderr{}, printable(line)+"\n") }

// maxLine is how long a line about a client may be: it may have had a hand in
// it.
const maxLine = 1000

// printable makes one line of a text: a ? for every byte outside the ASCII
// graphic range and the space.
func printable(text string) string {
	b := []byte(text[:min(len(text), maxLine)])
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '?'
		}
	}
	return string(b)
}

// stderr is descriptor 2, unless that is the client, as inetd has it, whom
// nothing here concerns.
type stderr struct{}

func (stderr) Write(p []byte) (int, error) {
	if isSocket(2) && same(0, 2) {
		return len(p), nil
	}
	return os.Stderr.Write(p)
}

func isSocket(fd int) bool {
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFSOCK
}

// same reports whether two descriptors are the same file.
func same(a, b int) bool {
	var x, y unix.Stat_t
	return unix.Fstat(a, &x) == nil && unix.Fstat(b, &y) == nil && x.Dev == y.Dev && x.Ino == y.Ino
}
