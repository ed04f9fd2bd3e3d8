package main

import (
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A serviceManager hears what doorward tells the real one, descriptors
// included.
type serviceManager struct {
	t    *testing.T
	sock *net.UnixConn
}

func newServiceManager(t *testing.T) *serviceManager {
	t.Helper()
	path := t.TempDir() + "/notify"
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return &serviceManager{t, l}
}

// hear waits for a message that begins with want, and returns the rest of it
// and the descriptor that came along, nil if none did.
func (m *serviceManager) hear(want string) (rest string, f *os.File) {
	m.t.Helper()
	m.sock.SetReadDeadline(time.Now().Add(10 * time.Second))
	text, control := make([]byte, 4096), make([]byte, 256)
	for {
		n, nc, _, _, err := m.sock.ReadMsgUnix(text, control)
		if err != nil {
			m.t.Fatalf("never heard %q: %v", want, err)
		}
		messages, _ := unix.ParseSocketControlMessage(control[:nc])
		for i := range messages {
			if fds, err := unix.ParseUnixRights(&messages[i]); err == nil {
				f = os.NewFile(uintptr(fds[0]), "stored")
				m.t.Cleanup(func() { f.Close() })
			}
		}
		if rest, ok := strings.CutPrefix(string(text[:n]), want); ok {
			return rest, f
		}
	}
}

// runWithSockets is run with sockets as systemd passes them, each under its
// name.
func (s *server) runWithSockets(names []string, fs ...*os.File) {
	s.t.Helper()
	s.command()
	s.cmd.Path = "/bin/sh"
	s.cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ exec "$@"`, "sh"}, s.cmd.Args...)
	s.cmd.Env = append(s.cmd.Env, fmt.Sprint("LISTEN_FDS=", len(fs)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	s.cmd.ExtraFiles = fs
	s.launch()
}

// A client that comes while doorward is dead waits in the socket that the
// manager keeps, and is served by the next one. A service that goes takes its
// socket out of the store.
func TestOwnSocketsOutliveDoorward(t *testing.T) {
	m := newServiceManager(t)
	s, port := start(t, dumper("test"), nil)
	name, stored := m.hear("FDSTORE=1\nFDNAME=")
	if stored == nil || !strings.HasPrefix(name, ownPrefix) {
		t.Fatalf("got %q, %v", name, stored)
	}
	s.signal(syscall.SIGKILL)
	<-s.done

	early, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close()
	s.runWithSockets([]string{name}, stored)
	m.hear("READY=1")
	early.SetDeadline(time.Now().Add(10 * time.Second))
	if n, err := early.Read(make([]byte, 100)); n == 0 {
		t.Errorf("a client that waited got nothing: %v", err)
	}
	if got := sections(mustDial(t, "127.0.0.1", "127.0.0.1:"+port))["argv"]; len(got) != 2 {
		t.Errorf("a later client: %q", got)
	}

	s.write("doorward.conf", dumper2(freePort(t), s.dir))
	s.signal(syscall.SIGHUP)
	if gone, _ := m.hear("FDSTOREREMOVE=1\nFDNAME="); gone != name {
		t.Errorf("took %q out of the store, want %q", gone, name)
	}
	s.signal(syscall.SIGTERM) // which takes nothing out
	m.hear("STOPPING=1")
}

// dumper2 is a dumper with the names filled in.
func dumper2(port, dir string) string {
	return strings.NewReplacer("PORT", port, "DIR", dir).Replace(dumper("other"))
}

// A socket that no service wants any more is closed, here and in the store: a
// client is refused rather than left waiting for ever.
func TestKeptSocketWithoutService(t *testing.T) {
	m := newServiceManager(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	s, _ := prepare(t, dumper("test"), nil)
	s.runWithSockets([]string{ownPrefix + "tcp/127.0.0.1.1"}, f)
	f.Close()
	m.hear("FDSTOREREMOVE=1\nFDNAME=" + ownPrefix + "tcp/127.0.0.1.")
	m.hear("READY=1")
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("somebody still listens")
	}
	s.waitFor(`no service listens on 127\.0\.0\.1:\d+ any more`)
}

// systemd passes several sockets of one service under one name.
func TestSeveralSocketsForOneService(t *testing.T) {
	var files []*os.File
	var addrs []string
	for _, addr := range []string{"127.0.0.1:0", "127.0.0.2:0", "[::1]:0"} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Skip("needs IPv6: ", err)
		}
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		addrs = append(addrs, l.Addr().String())
		l.Close()
		defer f.Close()
		files = append(files, f)
	}
	s, _ := prepare(t, dumper("test", "instances = 2"), nil)
	s.runWithSockets([]string{"test", "test", "test"}, files...)
	s.waitFor("serving 1 service")
	for _, addr := range addrs {
		host, port, _ := net.SplitHostPort(addr)
		got := strings.Join(sections(mustDial(t, host, addr))["env"], "\n")
		if !strings.Contains(got, "TCPLOCALPORT="+port) || !strings.Contains(got, "TCPLOCALIP="+host) {
			t.Errorf("%s: got %s", addr, got)
		}
	}
}
