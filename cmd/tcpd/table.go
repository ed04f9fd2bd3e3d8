package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"syscall"

	"doorward/acl"
	"doorward/acl/hosts"
	"doorward/launcher/file"
)

// A table is hosts.allow or hosts.deny, with what is to be said about it.
type table struct {
	rules *hosts.Rules
	notes []acl.Note // in the order of the lines
}

// read reads a table. One that does not exist is empty. One that cannot be
// read lets nobody in, and as hosts.deny keeps everybody out. A line that
// cannot be used is passed over, as in tcp_wrappers.
func read(name string) table {
	src, err := file.Read(name)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.EISDIR):
		return table{}
	case err != nil:
		return table{rules: hosts.Unreadable(name, reason(err))}
	}
	rules, err := hosts.Parse(name, string(src), pattern)
	return table{rules, syntaxNotes(err)}
}

// pattern reads a pattern file.
func pattern(name string) (string, error) {
	src, err := file.Read(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EISDIR) {
		return "", fmt.Errorf("%w: %w", hosts.ErrNoFile, err)
	}
	return string(src), err
}

// syntaxNotes takes the errors of a table apart.
func syntaxNotes(err error) (notes []acl.Note) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	for _, err := range joined.Unwrap() {
		var e *acl.SyntaxError
		if errors.As(err, &e) {
			notes = append(notes, acl.Note{Pos: e.Pos, Text: e.Err.Error()})
		}
	}
	return notes
}

// upTo returns the notes about lines that were come by on the way to the rule
// that decided: tcp_wrappers reads no further, and says nothing about lines it
// has not read. What is wrong with the rule itself, the decision says.
func (t table) upTo(rule acl.Pos) []acl.Note {
	if len(t.notes) == 0 || rule.File != t.notes[0].Pos.File {
		return t.notes
	}
	return slices.DeleteFunc(t.notes, func(n acl.Note) bool { return n.Pos.Line >= rule.Line })
}

// reason takes the names off an error, which the line it goes into has
// already, and leaves the words of strerror(3).
func reason(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return words(errno)
	}
	return err
}
