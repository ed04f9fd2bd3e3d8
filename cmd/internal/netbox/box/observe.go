//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"doorward/cmd/internal/netbox/record"

	"golang.org/x/sys/unix"
)

// findProgram returns the process that executes file.
func findProgram(file string) (pid int, err error) {
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		return 0, err
	}
	for _, l := range links {
		if exe, err := os.Readlink(l); err == nil && exe == file {
			return strconv.Atoi(filepath.Base(filepath.Dir(l)))
		}
	}
	return 0, fmt.Errorf("no process executes %s", file)
}

// observe reads proc(5) about a process.
func observe(pid int) (*record.Seen, error) {
	dir := fmt.Sprintf("/proc/%d/", pid)
	s := new(record.Seen)
	cmdline, err := os.ReadFile(dir + "cmdline")
	if err != nil {
		return nil, err
	}
	environ, err := os.ReadFile(dir + "environ")
	if err != nil {
		return nil, err
	}
	s.Argv = words(cmdline)
	s.Env = make(map[string]string)
	for _, e := range words(environ) {
		name, value, _ := strings.Cut(e, "=")
		if _, twice := s.Env[name]; twice {
			name += " (again)"
		}
		s.Env[name] = value
	}
	if s.Status, err = status(dir + "status"); err != nil {
		return nil, err
	}
	if s.Limits, err = limits(dir + "limits"); err != nil {
		return nil, err
	}
	if s.Directory, err = os.Readlink(dir + "cwd"); err != nil {
		return nil, err
	}
	prio, err := unix.Getpriority(unix.PRIO_PROCESS, pid)
	if err != nil {
		return nil, err
	}
	s.Nice, s.Leads = 20-prio, leads(pid)
	s.Descriptors, err = openFiles(pid, dir)
	return s, err
}

// words splits what is separated, and ended, by NUL bytes.
func words(b []byte) []string {
	b = bytes.TrimSuffix(b, []byte{0})
	if len(b) == 0 {
		return nil
	}
	return strings.Split(record.Text(b), "\x00")
}

// statusFields are those that a process inherits or its starter sets.
var statusFields = []string{
	"Umask", "Uid", "Gid", "Groups", "SigBlk", "SigIgn", "SigCgt",
	"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "TracerPid",
}

func status(file string) (map[string]string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	m := make(map[string]string)
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		if slices.Contains(statusFields, name) {
			m[name] = strings.Join(strings.Fields(value), " ")
		}
	}
	return m, nil
}

// limits reads the table of resource limits: the name in the first 26
// columns, then soft, hard and unit.
func limits(file string) (map[string]string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	m := make(map[string]string)
	for line := range strings.Lines(string(b)) {
		if len(line) > 26 && strings.HasPrefix(line, "Max ") {
			m[strings.TrimSpace(line[:26])] = strings.Join(strings.Fields(line[26:]), " ")
		}
	}
	return m, nil
}

func leads(pid int) string {
	sid, _ := unix.Getsid(pid)
	group, _ := unix.Getpgid(pid)
	switch pid {
	case sid:
		return "session and group"
	case group:
		return "group"
	}
	return "nothing"
}

// openFiles describes each descriptor of a process. Sockets are numbered in
// order, so that two descriptors of one socket show.
func openFiles(pid int, dir string) ([]string, error) {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(pidfd)
	entries, err := os.ReadDir(dir + "fd")
	if err != nil {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return number(a) - number(b) })
	var all, sockets []string
	for _, e := range entries {
		target, err := os.Readlink(dir + "fd/" + e.Name())
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(target, "socket:") {
			if !slices.Contains(sockets, target) {
				sockets = append(sockets, target)
			}
			target = fmt.Sprintf("socket %d", slices.Index(sockets, target)+1)
		}
		details, err := describe(pidfd, number(e))
		if err != nil {
			return nil, err
		}
		all = append(all, fmt.Sprintf("%s %s, %s", e.Name(), target, details))
	}
	return all, nil
}

func number(e os.DirEntry) int {
	n, _ := strconv.Atoi(e.Name())
	return n
}

// describe looks at a descriptor through a copy of it.
func describe(pidfd, fd int) (string, error) {
	c, err := unix.PidfdGetfd(pidfd, fd, 0)
	if err != nil {
		return "", fmt.Errorf("descriptor %d: %v", fd, err)
	}
	defer unix.Close(c)
	flags, err := unix.FcntlInt(uintptr(c), unix.F_GETFL, 0)
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("flags %#o", flags&^unix.O_NONBLOCK)
	for _, o := range []struct {
		name          string
		level, option int
	}{
		{"domain", unix.SOL_SOCKET, unix.SO_DOMAIN},
		{"type", unix.SOL_SOCKET, unix.SO_TYPE},
		{"keepalive", unix.SOL_SOCKET, unix.SO_KEEPALIVE},
		{"nodelay", unix.IPPROTO_TCP, unix.TCP_NODELAY},
	} {
		if v, err := unix.GetsockoptInt(c, o.level, o.option); err == nil {
			text += fmt.Sprintf(", %s %d", o.name, v)
		}
	}
	if flags&unix.O_NONBLOCK != 0 {
		return text + ", does not block", nil
	}
	return text + ", blocks", nil
}
