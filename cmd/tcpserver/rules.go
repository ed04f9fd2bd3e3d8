package main

import (
	"errors"
	"io/fs"
	"os"
	"sync/atomic"
	"syscall"

	"doorward/acl"
	"doorward/acl/tcprules"
)

// policy is what -x asks for; nil lets everybody in.
func policy(o options) acl.Policy {
	if o.rules == "" {
		return nil
	}
	return &file{name: o.rules, form6: o.ipv6, openDoor: o.openDoor}
}

// A file is a policy that lives in a file of rules, as cdb or as text. Every
// connection looks whether the file is another one now: that costs a
// system call, and a change counts for the very next client.
type file struct {
	name     string
	form6    bool
	openDoor bool // a missing file lets everybody in

	loaded atomic.Pointer[loaded]
}

// A loaded is a file as it was at one time.
type loaded struct {
	stamp  stamp
	policy acl.Policy
}

// A stamp tells versions of a file apart.
type stamp struct {
	dev, ino     uint64
	size         int64
	mtime, ctime syscall.Timespec
}

func (f *file) Decide(r *acl.Request) acl.Decision {
	p, err := f.policy()
	switch {
	case errors.Is(err, fs.ErrNotExist) && f.openDoor:
		return acl.Decision{}
	case err != nil:
		return acl.Decision{Verdict: acl.Deny, Notes: []acl.Note{{Err: true, Text: "unable to read " + f.name + ": " + reason(err)}}}
	}
	return p.Decide(r)
}

func (f *file) policy() (acl.Policy, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(f.name, &st); err != nil {
		return nil, err
	}
	now := stamp{st.Dev, st.Ino, st.Size, st.Mtim, st.Ctim}
	if l := f.loaded.Load(); l != nil && l.stamp == now {
		return l.policy, nil
	}
	src, err := os.ReadFile(f.name)
	if err != nil {
		return nil, err
	}
	rules, err := tcprules.Load(f.name, string(src))
	if err != nil {
		return nil, err
	}
	if f.form6 {
		rules = rules.Form6()
	}
	f.loaded.Store(&loaded{now, rules})
	return rules, nil
}

// reason says in the words of the original why a file could not be read.
func reason(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "file does not exist"
	case errors.Is(err, fs.ErrPermission):
		return "access denied"
	}
	var broken *fs.PathError
	if errors.As(err, &broken) {
		return broken.Err.Error()
	}
	return err.Error()
}
