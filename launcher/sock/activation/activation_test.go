package activation_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	osexec "os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"doorward/launcher/sock"
	"doorward/launcher/sock/activation"
)

// The test binary is also the program that gets sockets passed.
func TestMain(m *testing.M) {
	if os.Getenv("TAKE") == "" {
		os.Exit(m.Run())
	}
	os.Setenv("LISTEN_PID", fmt.Sprint(os.Getpid())) // the service manager knows it; a test cannot before exec
	s, err := activation.Of(activation.Inherited())
	fmt.Println("errors:", err)
	for _, l := range s.Listeners {
		fmt.Printf("listener %s datagram=%t v6=%t\n", l.Name(), l.Datagram(), l.Addr().Addr().Is6())
	}
	for _, c := range s.Conns {
		flags, _ := unix.FcntlInt(uintptr(c.FD), unix.F_GETFL, 0)
		fmt.Printf("conn %s nonblock=%t\n", c.Name, flags&unix.O_NONBLOCK != 0)
	}
	again, err := activation.Of(activation.Inherited())
	fmt.Println("again:", again, err, os.Getenv("LISTEN_FDS"))
	fmt.Println("left open on exec:", inherited())
	for _, claim := range strings.Fields(os.Getenv("TAKE")) {
		mine := s.Claim(claim, 0, false)
		fmt.Println("claim", claim, len(mine), "left", len(s.Listeners))
	}
	os.Exit(0)
}

// inherited counts descriptors from 3 on that a program would inherit.
func inherited() (n int) {
	for fd := 3; fd < 100; fd++ {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			n++
		}
	}
	return n
}

func file(t *testing.T, c interface{ File() (*os.File, error) }) *os.File {
	t.Helper()
	f, err := c.File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestTakeSortsWhatWasPassed(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	conn, err := net.Dial("tcp", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	pipe, _, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()

	exe, _ := os.Executable()
	cmd := osexec.Command(exe)
	cmd.ExtraFiles = []*os.File{
		file(t, tcp.(*net.TCPListener)), file(t, udp.(*net.UDPConn)), file(t, conn.(*net.TCPConn)), pipe, // passed
		pipe, // a stray one
	}
	cmd.Env = []string{"TAKE=smtp other", "LISTEN_FDS=4", "LISTEN_FDNAMES=smtp:smtp:c:p"}
	out, err := cmd.CombinedOutput()
	const want = `errors: descriptor 6 (p): not a socket to listen on: getsockopt: socket operation on non-socket
listener smtp datagram=false v6=false
listener smtp datagram=true v6=false
conn c nonblock=false
again: {[] []} <nil> 
left open on exec: 0
claim smtp 1 left 1
claim other 0 left 1
`
	if err != nil || string(out) != want {
		t.Errorf("%v, got\n%s\nwant\n%s", err, out, want)
	}
}

func TestClaimByNameThenByPort(t *testing.T) {
	var s activation.Sockets
	for _, name := range []string{"smtp", "b.socket", "smtp"} {
		l, err := sock.Listen(sock.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0"), Name: name})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		s.Listeners = append(s.Listeners, l)
	}
	b := s.Listeners[1]
	if got := s.Claim("smtp", b.Addr().Port(), false); len(got) != 2 || len(s.Listeners) != 1 {
		t.Errorf("by name: got %d, left %d", len(got), len(s.Listeners))
	}
	if got := s.Claim("smtp", b.Addr().Port(), true); got != nil {
		t.Errorf("a datagram service got %v", got)
	}
	if got := s.Claim("smtp", b.Addr().Port(), false); len(got) != 1 || got[0] != b || len(s.Listeners) != 0 {
		t.Errorf("by port: got %v, left %d", got, len(s.Listeners))
	}
}
