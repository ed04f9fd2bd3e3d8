// Package inetdconf reads inetd.conf(5) for one thing: which daemons there
// are, and which of them tcpd guards. Rules about others do nothing.
//
// A line is a service, its socket type, protocol, wait or nowait, user,
// program and arguments. Where the program is tcpd, its first argument is the
// daemon; a daemon without a path is in /usr/sbin.
package inetdconf

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"doorward/acl"
)

const realDaemons = "/usr/sbin"

// Errors of lines. They are warnings: inetd goes on.
var (
	ErrIncomplete    = errors.New("incomplete line")
	ErrNotFound      = errors.New("not found")
	ErrNotExecutable = errors.New("not executable")
	ErrRecursive     = errors.New("tcpd is recursively calling itself")
)

// Daemons say whether tcpd guards a daemon, by its name.
type Daemons map[string]bool

// Parse reads src, the text of the file called name. The errors are
// *acl.SyntaxError, one for each line that cannot work. stat is os.Stat.
func Parse(name, src string, stat func(string) (fs.FileInfo, error)) (Daemons, []error) {
	ds := Daemons{}
	var errs []error
	number := 0
	for line := range strings.Lines(src) {
		number++
		f := strings.Fields(line)
		if len(f) == 0 || f[0][0] == '#' || len(f) > 5 && f[5] == "internal" {
			continue
		}
		fail := func(word string, err error) {
			errs = append(errs, &acl.SyntaxError{Pos: acl.Pos{File: name, Line: number}, Text: word, Err: err})
		}
		if len(f) < 6 {
			fail(f[0], ErrIncomplete)
			continue
		}
		program, wrapped := f[5], path.Base(f[5]) == "tcpd"
		if wrapped && len(f) < 7 {
			fail(f[5], ErrIncomplete)
			continue
		}
		if wrapped {
			program = f[6]
		}
		ds[path.Base(program)] = wrapped
		if err := usable(program, wrapped, stat); err != nil {
			fail(program, err)
		}
	}
	return ds, errs
}

// usable says why a program cannot be run.
func usable(program string, wrapped bool, stat func(string) (fs.FileInfo, error)) error {
	if wrapped && path.Base(program) == "tcpd" {
		return ErrRecursive
	}
	if !strings.HasPrefix(program, "/") {
		program = realDaemons + "/" + program
	}
	info, err := stat(program)
	switch {
	case err != nil:
		return ErrNotFound
	case !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0:
		return ErrNotExecutable
	}
	return nil
}

// Fault says, in tcpd's words, why rules about a daemon may do nothing; empty
// if tcpd guards it. file is where the daemons are from.
func (ds Daemons) Fault(daemon, file string) string {
	wrapped, ok := ds[daemon]
	switch {
	case !ok:
		return "no such process name in " + file
	case !wrapped:
		return "service possibly not wrapped"
	}
	return ""
}
