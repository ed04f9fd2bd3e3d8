package main

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"doorward/launcher/sock"
)

// A socket that doorward binds itself is given to the service manager to keep
// (FDSTORE in sd_notify(3)): after a restart, and after a crash, it comes back
// among the sockets passed, with the clients that have been waiting in it. Its
// name there says that it is one of ours and where it listens, so that it can
// be taken out of the store when its service goes.
const ownPrefix = "doorward-own/"

func storeName(l *sock.Listener) string {
	kind := "tcp/"
	if l.Datagram() {
		kind = "udp/"
	}
	return ownPrefix + kind + strings.ReplaceAll(l.Addr().String(), ":", ".") // a colon would end the name
}

// keep gives the manager a copy of a socket.
func (m manager) keep(l *sock.Listener) {
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return
	}
	fd, err := l.Dup(false)
	if err != nil {
		return // it is no worse than without a manager
	}
	defer unix.Close(fd)
	m.pass("FDSTORE=1\nFDNAME="+storeName(l), fd)
}

// forget has the manager close its copy: otherwise clients would still be let
// in to where nobody comes.
func (m manager) forget(l *sock.Listener) { m.tell("FDSTOREREMOVE=1\nFDNAME=" + storeName(l)) }

// keep gives the manager copies of the sockets that a door has bound.
func (s *superserver) keep(d *door) {
	for _, l := range d.own {
		if !strings.HasPrefix(l.Name(), ownPrefix) { // which it has already
			s.manager.keep(l)
		}
	}
}

// forget takes them back. Those of a door that is about to close are of no
// more use.
func (s *superserver) forget(d *door) {
	for _, l := range d.own {
		s.manager.forget(l)
	}
}

// pass sends a message with a descriptor, which go-systemd cannot.
func (manager) pass(state string, fd int) {
	name := os.Getenv("NOTIFY_SOCKET") // a leading @ means the abstract namespace here as there
	s, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(s)
	unix.Sendmsg(s, []byte(state), unix.UnixRights(fd), &unix.SockaddrUnix{Name: name}, 0)
}

// sortKept moves the sockets that an earlier doorward bound from those that
// were passed to those that are kept.
func (s *superserver) sortKept() {
	passed := s.passed.Listeners
	s.passed.Listeners = nil
	for _, l := range passed {
		if strings.HasPrefix(l.Name(), ownPrefix) {
			s.kept = append(s.kept, l)
		} else {
			s.passed.Listeners = append(s.passed.Listeners, l)
		}
	}
}

// listen opens a socket, or takes it from those that are kept.
func (s *superserver) listen(c sock.Config) (*sock.Listener, error) {
	for i, l := range s.kept {
		if l.Is(c) {
			s.kept = append(s.kept[:i], s.kept[i+1:]...)
			return l, nil
		}
	}
	return sock.Listen(c)
}

// dropKept closes the kept sockets that no service has taken. Nothing will
// ever be accepted from them; a client had better be told.
func (s *superserver) dropKept() {
	for _, l := range s.kept {
		s.manager.forget(l)
		l.Close()
		s.say("no service listens on " + l.Addr().String() + " any more: closed")
	}
	s.kept = nil
}
