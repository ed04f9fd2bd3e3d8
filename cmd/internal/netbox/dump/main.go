//go:build linux

// Dump is the daemon of every replayed connection: it writes what it finds
// when it starts (arguments, environment, identity, descriptors, the options
// of its socket) to descriptor 1 as one line, and ends. Signals are missing,
// because the runtime of Go takes them over before main runs; netbox.Observe
// sees those from outside.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"

	"doorward/cmd/internal/netbox/record"

	"golang.org/x/sys/unix"
)

func main() {
	d := record.Dump{PID: os.Getpid()}
	d.Open, d.NonBlock = descriptors() // first: nothing else has been opened yet
	for _, a := range os.Args {
		d.Argv = append(d.Argv, record.Text([]byte(a)))
	}
	d.Env, d.Twice = environment(os.Environ())
	d.UID, d.GID = os.Geteuid(), os.Getegid()
	d.Groups, _ = os.Getgroups()
	d.Umask = fmt.Sprintf("%03o", unix.Umask(0))
	if prio, err := unix.Getpriority(unix.PRIO_PROCESS, 0); err == nil {
		d.Nice = 20 - prio // the system call returns 1 to 40
	}
	d.Directory, _ = os.Getwd()
	socket(&d)

	line, err := json.Marshal(d)
	if err != nil {
		line = []byte(fmt.Sprintf("{%q: %q}", "error", err))
	}
	syscall.Write(1, fmt.Appendf(nil, "@DUMP%s@\n", line))
}

// descriptors returns those that are open, and those of them that do not
// block. A system has a thousand at most by default, so they can be tried.
func descriptors() (open, nonblock []int) {
	for fd := range 1024 {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if err != nil || runtimeOwns(fd) {
			continue
		}
		open = append(open, fd)
		if flags&unix.O_NONBLOCK != 0 {
			nonblock = append(nonblock, fd)
		}
	}
	return open, nonblock
}

// runtimeOwns reports whether fd is closed on exec: such a descriptor cannot
// have been inherited, the runtime opened it.
func runtimeOwns(fd int) bool {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil && flags&unix.FD_CLOEXEC != 0
}

func environment(list []string) (env map[string]string, twice []string) {
	env = make(map[string]string)
	for _, e := range list {
		name, value, _ := strings.Cut(record.Text([]byte(e)), "=")
		if _, ok := env[name]; ok {
			twice = append(twice, name)
			continue
		}
		env[name] = value
	}
	return env, twice
}

// socket reads the options of descriptor 0. Those it has not stay zero, but
// for TCP_NODELAY, which then is -1, as recorded.
func socket(d *record.Dump) {
	d.Keepalive, _ = unix.GetsockoptInt(0, unix.SOL_SOCKET, unix.SO_KEEPALIVE)
	var err error
	if d.NoDelay, err = unix.GetsockoptInt(0, unix.IPPROTO_TCP, unix.TCP_NODELAY); err != nil {
		d.NoDelay = -1
	}
	if l, err := unix.GetsockoptLinger(0, unix.SOL_SOCKET, unix.SO_LINGER); err == nil {
		d.Linger = [2]int{int(l.Onoff), int(l.Linger)}
	}
}
