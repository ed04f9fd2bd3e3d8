package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"doorward/launcher"
	"doorward/launcher/journal"
	"doorward/launcher/run"
	"doorward/launcher/sock"
)

// On SIGUSR2 doorward executes itself, which by then may be another version:
// the process stays, and with it its number, its children and what it has
// open. What the next generation must know is written to a file in memory
// whose descriptor it finds in the environment: which descriptors are sockets,
// which children serve whom, which clients nothing has been done about, and
// who came how often.
const handoverEnv = "DOORWARD_HANDOVER"

// handoverTime is how long clients wait in the kernel for what is being done
// for others at that moment.
const handoverTime = 10 * time.Second

// farewellTime is how long they wait for refused clients, who hear no more
// than that: one that is cut off tries again, and is refused again.
const farewellTime = 2 * time.Second

// An estate is what one generation leaves to the next.
type estate struct {
	PID      int // of both: nobody else's estate
	Sockets  []passedSocket
	Sessions []passedSession
	Memories map[string]launcher.Memory // by the key of the service
	Sensors  []launcher.Sighting
}

type passedSocket struct {
	FD   int
	Name string
}

type passedSession struct {
	Key     string // of the service; "" if it has gone
	Session launcher.Session
}

// reexec puts the program of this name in the place of this one. If it
// returns, that failed, and everything goes on.
func (s *superserver) reexec() {
	s.manager.reloading()
	s.reload(true)
	if err := s.succeed(); err != nil {
		s.say("not re-executed, all goes on as before: " + err.Error())
	}
	s.manager.ready(s.status())
}

func (s *superserver) succeed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for subject, text := range s.reported {
		if text != "" && subject != "warnings" {
			return errors.New("there are mistakes in " + subject + ", with which it would not serve all that is served now")
		}
	}
	path, err := os.Executable()
	if err != nil {
		return err
	}
	for _, d := range s.doors {
		d.stop()
	}
	ctx, cancel := context.WithTimeout(context.Background(), handoverTime)
	defer cancel()
	sessions, lost := s.server.Freeze(ctx)
	if lost > 0 {
		s.say(plural(lost, "session") + " cannot be handed over")
	}
	s.awaitRefusals()
	err = s.handOver(path, sessions)
	s.server.Thaw()
	for _, d := range s.doors {
		s.accept(d)
	}
	return err
}

func (s *superserver) awaitRefusals() {
	ctx, cancel := context.WithTimeout(context.Background(), farewellTime)
	defer cancel()
	if left := s.server.Refusals(ctx); left > 0 {
		s.say(plural(left, "refused client") + " cut off")
	}
}

// handOver writes the estate and executes path. It returns with an error only,
// and has closed what it opened then.
func (s *superserver) handOver(path string, sessions []launcher.Session) error {
	e := estate{PID: os.Getpid(), Memories: s.memories(), Sensors: s.sensors.Sightings(time.Now())}
	var fds []int
	defer func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}()
	leave := func(l *sock.Listener, name string) error {
		fd, err := l.Dup(true)
		if err != nil {
			return err
		}
		fds = append(fds, fd)
		e.Sockets = append(e.Sockets, passedSocket{fd, name})
		return nil
	}
	if err := s.eachSocket(leave); err != nil {
		return err
	}
	for _, v := range sessions {
		if v.Conn != nil {
			fd, err := unix.FcntlInt(uintptr(v.Conn.FD), unix.F_DUPFD, 3)
			if err != nil {
				return os.NewSyscallError("fcntl", err)
			}
			fds = append(fds, fd)
			c := *v.Conn
			c.FD, v.Conn = fd, &c
		}
		e.Sessions = append(e.Sessions, passedSession{s.keyOf(v.Port), v})
	}
	fd, err := e.write()
	if err != nil {
		return err
	}
	fds = append(fds, fd)
	if n := s.servedHere(sessions); n > 0 {
		s.say(plural(n, "connection") + " closed that doorward serves itself (INTERNAL, redirect)")
	}
	return execute(path, handoverEnv+"="+strconv.Itoa(fd))
}

// servedHere returns how many clients have no program that would outlive this
// one. What goes on between them and this process ends with it: some of it is
// in neither socket.
func (s *superserver) servedHere(handedOver []launcher.Session) int {
	n := s.counts.Total().Running
	for _, v := range handedOver {
		if v.Conn == nil {
			n--
		}
	}
	return n
}

// eachSocket calls f for every socket that clients may wait in.
func (s *superserver) eachSocket(f func(l *sock.Listener, name string) error) error {
	passed := slices.Clone(s.passed.Listeners)
	for _, d := range s.doors {
		passed = append(passed, d.passed...)
		for _, l := range d.own {
			if err := f(l, storeName(l)); err != nil {
				return err
			}
		}
	}
	for _, l := range passed {
		if err := f(l, l.Name()); err != nil {
			return err
		}
	}
	return nil
}

func (s *superserver) memories() map[string]launcher.Memory {
	m := make(map[string]launcher.Memory)
	for key, d := range s.doors {
		m[key] = d.port.Memory(time.Now())
	}
	return m
}

func (s *superserver) keyOf(p *launcher.Port) string {
	for key, d := range s.doors {
		if &d.port == p {
			return key
		}
	}
	return ""
}

// write puts the estate into a file in memory that outlives exec.
func (e estate) write() (fd int, err error) {
	text, err := json.Marshal(e)
	if err != nil {
		return -1, err
	}
	fd, err = unix.MemfdCreate("doorward", 0)
	if err != nil {
		return -1, os.NewSyscallError("memfd_create", err)
	}
	for len(text) > 0 {
		n, err := unix.Write(fd, text)
		if err != nil {
			unix.Close(fd)
			return -1, os.NewSyscallError("write", err)
		}
		text = text[n:]
	}
	_, err = unix.Seek(fd, 0, 0)
	return fd, err
}

// execute executes path with one variable more. A signal that arrives between
// two programs waits until the next one asks for it: at its default it would
// end both.
func execute(path, variable string) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var block, before unix.Sigset_t
	for _, sig := range signalsHeard {
		n := uint(sig.(syscall.Signal)) - 1
		block.Val[n/bitsPerWord] |= 1 << (n % bitsPerWord)
	}
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &block, &before); err != nil {
		return os.NewSyscallError("sigprocmask", err)
	}
	defer unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
	p := run.Program{Path: path, Argv: os.Args}
	return p.Exec(append(os.Environ(), variable))
}

// bitsPerWord is how many signals a word of a signal set has.
const bitsPerWord = strconv.IntSize

// inherit takes what an earlier generation left: its sockets go among those
// that were passed, its sessions to the doors that are opened for them.
func (s *superserver) inherit() error {
	number, ok := os.LookupEnv(handoverEnv)
	if !ok {
		return nil
	}
	os.Unsetenv(handoverEnv)
	e, err := read(number)
	if err != nil {
		return fmt.Errorf("%s=%s: %w", handoverEnv, number, err)
	}
	for _, p := range e.Sockets {
		l, err := sock.Adopt(p.FD, p.Name)
		if err != nil {
			return fmt.Errorf("handed over: descriptor %d (%s): %w", p.FD, p.Name, err)
		}
		s.passed.Listeners = append(s.passed.Listeners, l)
	}
	s.memory = e.Memories
	s.sensors.Recall(e.Sensors)
	s.heirs = map[string][]launcher.Session{}
	for _, p := range e.Sessions {
		if c := p.Session.Conn; c != nil {
			unix.CloseOnExec(c.FD)
		}
		s.heirs[p.Key] = append(s.heirs[p.Key], p.Session)
	}
	s.say(fmt.Sprintf("re-executed: took over %s and %s", plural(len(e.Sockets), "socket"), plural(len(e.Sessions), "session")))
	return nil
}

func read(number string) (e estate, err error) {
	fd, err := strconv.Atoi(number)
	if err != nil || fd < 3 {
		return e, errors.New("not a descriptor")
	}
	f := os.NewFile(uintptr(fd), "handover")
	defer f.Close()
	if err := json.NewDecoder(f).Decode(&e); err != nil {
		return e, err
	}
	if e.PID != os.Getpid() {
		return e, fmt.Errorf("left to process %d", e.PID)
	}
	return e, nil
}

// adopt gives the port of a door the sessions that were left to it, and what
// was known of its clients.
func (s *superserver) adopt(key string, p *launcher.Port) {
	if m, ok := s.memory[key]; ok {
		p.Recall(m, time.Now())
		delete(s.memory, key)
	}
	for _, v := range s.heirs[key] {
		v.Port = p
		if v.Conn == nil {
			s.counts.Sink(journal.Event{Kind: journal.Started, Service: v.Event.Service, Datagram: v.Event.Datagram})
		}
		s.server.Adopt(v)
	}
	delete(s.heirs, key)
}

// adoptRest takes care of the sessions whose services have gone: programs are
// waited for, clients that nothing has been done for are let go.
func (s *superserver) adoptRest() {
	for key, sessions := range s.heirs {
		s.heirs[key] = slices.DeleteFunc(sessions, func(v launcher.Session) bool {
			if v.Conn != nil {
				v.Conn.Reset()
			}
			return v.Conn != nil
		})
		p := new(launcher.Port)
		name, _, _ := strings.Cut(key, "/")
		p.Set(&launcher.Service{Name: name})
		s.adopt(key, p)
	}
	s.memory = nil
}
