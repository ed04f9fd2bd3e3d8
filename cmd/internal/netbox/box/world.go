//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"doorward/cmd/internal/netbox/record"

	"golang.org/x/sys/unix"
)

// A world is what the programs of a case can see and the box may change.
type world struct {
	programs map[string]string // what a path is in this world
	log      *collector        // /dev/log
	hosts    *loopback
}

// programStore holds the installed programs, on the file system of /srv so
// that a case gets them by a hard link.
const programStore = "/srv/programs"

func newWorld(install []string) (*world, error) {
	w := &world{programs: make(map[string]string)}
	for _, step := range []func() error{
		privateMounts, privateEtc, privateDev,
		func() error { return w.install(install) },
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	var err1, err2 error
	w.log, err1 = collect("/dev/log")
	w.hosts, err2 = newLoopback()
	return w, errors.Join(err1, err2)
}

// privateMounts cuts this world off from the one outside and puts empty file
// systems where cases write.
func privateMounts() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make / private: %v", err)
	}
	if err := os.MkdirAll("/srv", 0o755); err != nil {
		return err
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %v", err)
	}
	return tmpfs("/srv")
}

func tmpfs(dir string) error {
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755"); err != nil {
		return fmt.Errorf("mount %s: %v", dir, err)
	}
	return nil
}

// etcFiles are the files of the system that programs need to run at all. The
// rest of /etc stays outside, so that it cannot have a say in a case.
var etcFiles = []string{
	"passwd", "group", "services", "protocols", "ld.so.cache", "localtime", "shells", "oidentd.conf",
}

// privateEtc puts a small /etc over the system's.
func privateEtc() error {
	keep := make(map[string][]byte)
	for _, name := range etcFiles {
		if b, err := os.ReadFile(filepath.Join("/etc", name)); err == nil {
			keep[name] = b
		}
	}
	if err := tmpfs("/etc"); err != nil {
		return err
	}
	for name, b := range keep {
		if err := put(filepath.Join("/etc", name), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// privateDev makes a /dev of the few devices that programs use, so that
// /dev/log can be ours.
func privateDev() error {
	const dir = "/srv/dev"
	if err := mkdir(dir); err != nil {
		return err
	}
	for _, name := range []string{"null", "zero", "full", "random", "urandom"} {
		if err := put(filepath.Join(dir, name), nil, 0o666); err != nil {
			return err
		}
		if err := bind(filepath.Join("/dev", name), filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	if err := os.Symlink("/proc/self/fd", filepath.Join(dir, "fd")); err != nil {
		return err
	}
	return bind(dir, "/dev")
}

func bind(from, to string) error {
	if err := unix.Mount(from, to, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind %s to %s: %v", from, to, err)
	}
	return nil
}

// install copies the programs of the arguments, and leaves in /usr/sbin those
// that belong there and nothing else. A program for another directory of the
// system lies over the one that is there, if there is one; the box itself
// starts it by its path either way.
func (w *world) install(args []string) error {
	if err := mkdir(programStore); err != nil {
		return err
	}
	for i, a := range args {
		path, file, _ := strings.Cut(a, "=")
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		w.programs[path] = filepath.Join(programStore, strconv.Itoa(i))
		if err := put(w.programs[path], b, 0o755); err != nil {
			return err
		}
		if strings.HasPrefix(path, "/usr/bin/") && exists(path) {
			if err := bind(w.programs[path], path); err != nil {
				return err
			}
		}
	}
	return tmpfs("/usr/sbin")
}

// reset brings the files of the world into the state that c describes.
func (w *world) reset(c *record.Case) error {
	return errors.Join(w.resetTree("/srv/cf"), w.resetTree("/usr/sbin"), w.placePrograms(c),
		etc("hosts.allow", c.Allow, nil),
		etc("hosts.deny", c.Deny, nil),
		etc("hosts", c.Hosts, new("127.0.0.1 localhost\n")),
		etc("host.conf", c.HostConf, new("multi on\n")),
		etc("netgroup", c.Netgroup, nil),
		etc("resolv.conf", nil, new("nameserver 127.0.0.1\n")),
		etc("nsswitch.conf", nil, new("passwd: files\ngroup: files\nhosts: files dns\nservices: files\nnetgroup: files\n")),
		placeFiles(c.Files), placeModes(c.Modes))
}

// resetTree empties dir, which may be a mount and then cannot be removed.
func (w *world) resetTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// dumperPath is where the dumper is in every case; a case may want it
// elsewhere too.
const dumperPath = "/srv/cf/bin/smtpd"

func (w *world) placePrograms(c *record.Case) error {
	if err := errors.Join(mkdir("/srv/cf/bin"), mkdir("/srv/cf/out")); err != nil {
		return err
	}
	for path, stored := range w.programs {
		if strings.HasPrefix(path, "/srv/cf/") {
			if err := os.Link(stored, path); err != nil {
				return err
			}
		}
		if strings.HasPrefix(path, "/usr/sbin/") { // another file system
			if err := copyProgram(stored, path); err != nil {
				return err
			}
		}
	}
	for _, path := range c.Programs {
		if path == dumperPath {
			continue
		}
		if err := copyProgram(w.programs[dumperPath], path); err != nil {
			return err
		}
	}
	return nil
}

func copyProgram(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return put(to, b, 0o755)
}

// etc writes a file of /etc: text, or else the default; nil removes it.
func etc(name string, text, byDefault *string) error {
	path := filepath.Join("/etc", name)
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	if text == nil {
		text = byDefault
	}
	if text == nil {
		return nil
	}
	return place(path, *text)
}

func placeFiles(files map[string]string) error {
	for path, text := range files {
		if err := place(path, text); err != nil {
			return err
		}
	}
	return nil
}

// place writes the latin-1 view text to path, or makes what its special words
// stand for.
func place(path, text string) error {
	switch text {
	case "@DIRECTORY@":
		return mkdir(path)
	case "@LOOP@":
		return errors.Join(mkdir(filepath.Dir(path)), os.Symlink(path, path))
	}
	return put(path, record.Bytes(text), 0o644)
}

// placeModes sets the modes of files; a corpus writes them as an octal string
// or as a number.
func placeModes(modes map[string]any) error {
	for path, m := range modes {
		var mode uint64
		switch m := m.(type) {
		case float64:
			mode = uint64(m)
		case string:
			n, err := strconv.ParseUint(strings.TrimPrefix(m, "0o"), 8, 32)
			if err != nil {
				return fmt.Errorf("mode of %s: %v", path, err)
			}
			mode = n
		}
		if err := unix.Chmod(path, uint32(mode)); err != nil {
			return fmt.Errorf("chmod %s: %v", path, err)
		}
	}
	return nil
}

// put writes a file with exactly this mode, and the directories above it.
func put(path string, b []byte, mode os.FileMode) error {
	if err := mkdir(filepath.Dir(path)); err != nil {
		return err
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// mkdir makes dir and what is missing above it, open to all: programs of a
// case may run as anybody.
func mkdir(dir string) error {
	if exists(dir) {
		return nil
	}
	if err := mkdir(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	return os.Chmod(dir, 0o755)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
