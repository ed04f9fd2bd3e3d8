package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"syscall"

	"doorward/acl"
	"doorward/acl/tcprules"
	"doorward/cmd/internal/errtext"
	"doorward/launcher/rules"
)

// policy is what -x and --rules ask for, in this order; nil lets everybody in.
// The book has the files of --rules, which must be good to begin with.
func policy(o options, book *rules.Book) (acl.Policy, error) {
	var all acl.All
	if o.rules != "" {
		all = append(all, &file{name: o.rules, form6: o.ipv6, openDoor: o.openDoor})
	}
	if len(o.words) > 0 {
		p, err := book.Policy(o.words...)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	if o.lists != nil {
		all = append(all, o.lists)
	}
	if len(all) == 0 {
		return nil, nil
	}
	return all, nil
}

// follow reads the files of --rules again when they change. What cannot be
// understood changes nothing and is told of.
func follow(ctx context.Context, book *rules.Book, warn func(error)) {
	last := ""
	w := rules.Watcher{
		Files: book.Files,
		Warn:  warn,
		Changed: func() {
			_, err := book.Reload()
			if err != nil && err.Error() != last {
				warn(err)
			}
			last = fmt.Sprint(err)
		},
	}
	w.Run(ctx)
}

// A file is a policy that lives in a file of rules, as cdb or as text. Every
// connection looks whether the file is another one now: that costs a
// system call, and a change counts for the very next client.
type file struct {
	name     string
	form6    bool
	openDoor bool // a missing file lets everybody in

	loading sync.Mutex // one client reads a new file, others wait for it
	loaded  atomic.Pointer[loaded]
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
	if p, _, err := f.known(); p != nil || err != nil {
		return p, err
	}
	f.loading.Lock()
	defer f.loading.Unlock()
	p, now, err := f.known() // by now, perhaps
	if p != nil || err != nil {
		return p, err
	}
	return f.load(now)
}

// known returns the policy of the file as it is now, nil if that has not been
// loaded, and its stamp.
func (f *file) known() (acl.Policy, stamp, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(f.name, &st); err != nil {
		return nil, stamp{}, err
	}
	now := stamp{st.Dev, st.Ino, st.Size, st.Mtim, st.Ctim}
	if l := f.loaded.Load(); l != nil && l.stamp == now {
		return l.policy, now, nil
	}
	return nil, now, nil
}

func (f *file) load(now stamp) (acl.Policy, error) {
	src, err := rules.ReadFile(f.name)
	if err != nil {
		return nil, err
	}
	p, err := tcprules.Load(f.name, string(src))
	if err != nil {
		return nil, err
	}
	if f.form6 {
		p = p.Form6()
	}
	f.loaded.Store(&loaded{now, p})
	return p, nil
}

// reason says in the words of the original why a file could not be read.
func reason(err error) string {
	var broken *fs.PathError
	if errors.As(err, &broken) {
		err = broken.Err
	}
	return errtext.Of(err)
}
