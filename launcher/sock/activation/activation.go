// Package activation takes the sockets that the service manager passes
// (sd_listen_fds(3)), and sorts them.
//
// systemd gives a process its sockets as descriptors 3 and up, counted by
// LISTEN_FDS, with a name for each in LISTEN_FDNAMES. Units say
// FileDescriptorName= to name them; otherwise the name is that of the socket
// unit. With Accept=no they listen; with Accept=yes there is one, and it is a
// connection.
//
// [Of] sorts descriptors that somebody has taken; package systemd beside this
// one takes them by go-systemd. That brings crypto/tls along, and with it 32 MB
// of zeros in every process, for which tcpserver under softlimit(8) has no
// room: [Inherited] reads the few variables itself.
package activation

import (
	"errors"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"doorward/launcher/sock"
)

// Sockets are what the service manager passed, in its order.
type Sockets struct {
	Listeners []*sock.Listener
	Conns     []Conn
}

// A Conn is a connection that the service manager accepted (Accept=yes).
type Conn struct {
	Name string
	FD   int // blocking, closed on exec
}

// Of sorts what was passed to this process, and owns the descriptors from then
// on.
//
// Whatever else this process inherited from descriptor 3 on is marked closed
// on exec: a stray descriptor would otherwise reach every program started.
//
// The error joins one for each descriptor that is of no use, which is closed
// then; the others are returned with it.
func Of(passed []*os.File) (Sockets, error) {
	var s Sockets
	var errs []error
	for _, f := range passed {
		if err := s.add(f); err != nil {
			errs = append(errs, err)
		}
	}
	return s, errors.Join(append(errs, sock.KeepInherited())...)
}

// firstFD is SD_LISTEN_FDS_START.
const firstFD = 3

// Inherited returns what was passed, each with its name, and removes
// LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES from the environment, so that the
// first call finds everything and a later one nothing. Sockets meant for
// another process are left alone. A count beyond any process's descriptors is
// none.
func Inherited() (passed []*os.File) {
	pid, errPID := strconv.Atoi(os.Getenv("LISTEN_PID"))
	n, errN := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	names := strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		os.Unsetenv(name)
	}
	if errPID != nil || errN != nil || pid != os.Getpid() || n > 1<<20 {
		return nil
	}
	for i := range n {
		unix.CloseOnExec(firstFD + i)
		name := "LISTEN_FD_" + strconv.Itoa(firstFD+i)
		if i < len(names) && names[i] != "" {
			name = names[i]
		}
		passed = append(passed, os.NewFile(uintptr(firstFD+i), name))
	}
	return passed
}

// add takes f over. It works on a copy of the descriptor, since f is not in
// Go's poller and closes its own when it is collected.
func (s *Sockets) add(f *os.File) error {
	defer f.Close()
	number := f.Fd()
	fd, err := unix.FcntlInt(number, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return fmt.Errorf("descriptor %d (%s): %w", number, f.Name(), err)
	}
	if _, err := unix.Getpeername(fd); err == nil {
		s.Conns = append(s.Conns, Conn{f.Name(), fd})
		return unix.SetNonblock(fd, false) // NonBlocking=yes is for the service manager's own daemons
	}
	l, err := sock.Adopt(fd, f.Name())
	if err != nil {
		return fmt.Errorf("descriptor %d (%s): not a socket to listen on: %w", number, f.Name(), err)
	}
	s.Listeners = append(s.Listeners, l)
	return nil
}

// Claim takes the listeners of a service out of s: those with its name or, if
// there are none, those on its port (0: no port). Datagram sockets belong to
// datagram services and to no others. IPv4 comes before IPv6.
func (s *Sockets) Claim(name string, port uint16, datagram bool) []*sock.Listener {
	mine := s.claim(func(l *sock.Listener) bool { return l.Name() == name && l.Datagram() == datagram })
	if mine == nil && port != 0 {
		mine = s.claim(func(l *sock.Listener) bool { return l.Addr().Port() == port && l.Datagram() == datagram })
	}
	sort.SliceStable(mine, func(i, j int) bool { return mine[i].Addr().Addr().Less(mine[j].Addr().Addr()) })
	return mine
}

func (s *Sockets) claim(wanted func(*sock.Listener) bool) (mine []*sock.Listener) {
	var rest []*sock.Listener
	for _, l := range s.Listeners {
		if wanted(l) {
			mine = append(mine, l)
		} else {
			rest = append(rest, l)
		}
	}
	s.Listeners = rest
	return mine
}
