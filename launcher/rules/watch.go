package rules

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

// A Watcher notices changes to files, whichever way they are made: written in
// place, replaced by rename, swapped with a symbolic link somewhere on their
// path, or moved in with their whole directory.
//
// It watches directories only. A watch on a file is deaf after the first
// rename over it, and one on a directory is deaf after that directory is
// renamed away: therefore the parent of each directory, and every directory
// that holds a symbolic link on the way, is watched as well. What exactly has
// happened is not worked out from the events, which can be lost: any of them
// means "look again".
type Watcher struct {
	Files   func() []string // what to watch, files and directories; asked again after each change
	Changed func()          // called, never twice at once, after a change and once at the start
	Warn    func(error)     // trouble with watching; Run goes on, polling if need be

	Settle time.Duration // quiet time to wait for after an event; 0: 100 ms
	Latest time.Duration // longest time from an event to Changed; 0: 500 ms
	Poll   time.Duration // how often to look without any event (NFS, inotify limits); 0: 30 s
}

// Run watches until ctx is done.
func (w *Watcher) Run(ctx context.Context) {
	warned := ""
	for ctx.Err() == nil {
		dirs := dirsOf(w.Files())
		n, err := watch(dirs)
		if err != nil && err.Error() != warned {
			warned = err.Error()
			w.Warn(err)
		}
		// The watches stand before the files are read, so that no change
		// falls between; and again where the files have become others.
		before := stamp(w.Files())
		w.Changed()
		if err == nil && !subset(dirsOf(w.Files()), dirs) {
			n.Close()
			continue
		}
		w.wait(ctx, n, before)
		if n != nil {
			n.Close()
		}
	}
}

// wait returns when something has changed and has been quiet for a moment.
func (w *Watcher) wait(ctx context.Context, n *fsnotify.Watcher, before map[string]signature) {
	var events chan fsnotify.Event
	var errs chan error
	if n != nil {
		events, errs = n.Events, n.Errors
	}
	poll := time.NewTicker(or(w.Poll, 30*time.Second))
	defer poll.Stop()
	var settle, latest <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-events:
			if e.Op == fsnotify.Chmod {
				continue // also sent when a file is merely unlinked or touched by a backup
			}
		case err := <-errs:
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				w.Warn(err)
			}
		case <-poll.C:
			if maps.Equal(stamp(w.Files()), before) {
				continue
			}
			return
		case <-settle:
			return
		case <-latest:
			return
		}
		settle = time.After(or(w.Settle, 100*time.Millisecond))
		if latest == nil {
			latest = time.After(or(w.Latest, 500*time.Millisecond))
		}
	}
}

func or(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

// watch starts watching dirs. A nil watcher comes with an error.
func watch(dirs map[string]bool) (*fsnotify.Watcher, error) {
	n, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	for d := range dirs {
		if err := n.Add(d); err != nil && !errors.Is(err, os.ErrNotExist) {
			n.Close()
			return nil, err
		}
	}
	return n, nil
}

func subset(a, b map[string]bool) bool {
	for k := range a {
		if !b[k] {
			return false
		}
	}
	return true
}

// maxLinks bounds the symbolic links followed on one path, as the kernel does.
const maxLinks = 40

// dirsOf returns every directory in which an event can mean that one of paths
// now leads elsewhere or has other content.
func dirsOf(paths []string) map[string]bool {
	dirs := map[string]bool{}
	for _, p := range paths {
		if abs, err := filepath.Abs(p); err == nil {
			addDirs(dirs, abs)
		}
	}
	return dirs
}

// addDirs walks an absolute path from the root, following links by hand to
// see where they are.
func addDirs(dirs map[string]bool, path string) {
	at, todo := "/", split(path)
	for links := 0; len(todo) > 0; {
		next := filepath.Join(at, todo[0])
		todo = todo[1:]
		info, err := os.Lstat(next)
		if err != nil {
			dirs[at] = true // what is missing will appear here
			dirs[filepath.Dir(at)] = true
			return
		}
		if info.Mode()&os.ModeSymlink == 0 {
			at = next
			continue
		}
		dirs[at] = true
		target, err := os.Readlink(next)
		if links++; err != nil || links > maxLinks {
			return
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		todo = append(split(target), todo...)
	}
	if info, err := os.Stat(at); err == nil && info.IsDir() {
		dirs[at] = true
	}
	dirs[filepath.Dir(at)] = true
	dirs[filepath.Dir(filepath.Dir(at))] = true
}

func split(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// A signature is what stat(2) says about the content of a file. A missing
// file has the zero signature.
type signature struct {
	dev, ino     uint64
	size         int64
	mtime, ctime syscall.Timespec
}

func stamp(paths []string) map[string]signature {
	m := make(map[string]signature, len(paths))
	for _, p := range paths {
		var s signature
		if info, err := os.Stat(p); err == nil {
			st := info.Sys().(*syscall.Stat_t)
			s = signature{st.Dev, st.Ino, st.Size, st.Mtim, st.Ctim}
		}
		m[p] = s
	}
	return m
}
