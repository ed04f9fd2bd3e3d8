package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"doorward/cmd/internal/lean"
)

// With dumpVar set this test program is the daemon that tcp-env runs.
const dumpVar = "TCP_ENV_TEST_DUMP"

func TestMain(m *testing.M) {
	if os.Getenv(dumpVar) != "" {
		dump()
		syscall.Exit(0) // at once: a test binary that measures coverage has more to say
	}
	status := m.Run()
	os.RemoveAll(buildDir)
	os.Exit(status)
}

// dump writes arguments and environment, and the first line it can read from
// descriptor 0.
func dump() {
	if os.Getenv(dumpVar) == "read" {
		flags, err := unix.FcntlInt(0, unix.F_GETFL, 0)
		var b [100]byte
		n, err2 := unix.Read(0, b[:])
		fmt.Printf("nonblock=%v input=%q %v %v\n", flags&unix.O_NONBLOCK != 0, b[:max(n, 0)], err, err2)
		return
	}
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, dumpVar) })
	slices.Sort(env)
	fmt.Println(strings.Join(append(os.Args[1:], env...), " "))
}

var buildDir string // where build has put it; empty: nowhere yet

// build returns the path of tcp-env, built as it is shipped.
var build = sync.OnceValues(func() (path string, err error) {
	if buildDir, err = os.MkdirTemp("", "tcp-env"); err != nil {
		return "", err
	}
	path = filepath.Join(buildDir, "tcp-env")
	cmd := exec.Command("go", "build", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func tcpEnvPath(t *testing.T) string {
	t.Helper()
	if path := os.Getenv(insideVar); path != "" {
		return path // built outside
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs go")
	}
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// tcpEnvRun runs tcp-env with descriptor 0, and returns what it and its program
// wrote and the exit status.
func tcpEnvRun(t *testing.T, stdin *os.File, env []string, args ...string) (output string, status int) {
	t.Helper()
	cmd := exec.Command(tcpEnvPath(t), args...)
	cmd.Stdin, cmd.Env = stdin, env
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Start()
	if err != nil {
		t.Fatal(err)
	}
	stop := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer stop.Stop()
	var exit *exec.ExitError
	if err = cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return strings.TrimSpace(out.String()), cmd.ProcessState.ExitCode()
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPROTOIsTCPAlready(t *testing.T) {
	env := []string{"PROTO=TCP", "TCPREMOTEHOST=kept", dumpVar + "=1"}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	out, status := tcpEnvRun(t, null, env, "-R", self(t), "arg", "-R")
	if want := "arg -R PROTO=TCP TCPREMOTEHOST=kept"; out != want || status != 0 {
		t.Errorf("got %q, status %d, want %q", out, status, want)
	}
}

func TestFailuresAreSilentAndTemporary(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	udp, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	unconnected := os.NewFile(uintptr(udp), "udp")
	defer unconnected.Close()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "program"), 0o755); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		what  string
		stdin *os.File
		env   []string
		args  []string
	}{
		{"a pipe", r, nil, []string{"/bin/echo"}},
		{"nothing on descriptor 0", nil, nil, []string{"/bin/echo"}},
		{"a socket without a peer", unconnected, nil, []string{"/bin/echo"}},
		{"PROTO in another case", r, []string{"PROTO=tcp"}, []string{"/bin/echo"}},
		{"no program", r, []string{"PROTO=TCP"}, nil},
		{"no program after options", r, []string{"PROTO=TCP"}, []string{"-R", "--"}},
		{"no such program", r, []string{"PROTO=TCP"}, []string{"/nonexistent/program"}},
		{"no such program in PATH", r, []string{"PROTO=TCP", "PATH=/nonexistent"}, []string{"echo"}},
		{"no such program without PATH", r, []string{"PROTO=TCP"}, []string{"nonexistent-program"}},
		{"a directory", r, []string{"PROTO=TCP", "PATH=" + dir}, []string{"program"}},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			out, status := tcpEnvRun(t, tt.stdin, append(tt.env, dumpVar+"=1"), tt.args...)
			if out != "" || status != 111 {
				t.Errorf("got %q, status %d, want nothing and 111", out, status)
			}
		})
	}
}

func TestProgramIsFoundInPATH(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "bin", "script")
	if err := os.MkdirAll(filepath.Join(dir, "other", "script"), 0o755); err != nil { // a directory goes first
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Dir(script), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(script, []byte("echo ran $1\nexit 7\n"), 0o755); err != nil { // no #!: the shell reads it
		t.Fatal(err)
	}
	path := "PATH=" + dir + "/none:" + dir + "/other:" + dir + "/bin"
	out, status := tcpEnvRun(t, nil, []string{"PROTO=TCP", path}, "script", "it")
	if out != "ran it" || status != 7 {
		t.Errorf("got %q, status %d", out, status)
	}
	out, status = tcpEnvRun(t, nil, []string{"PROTO=TCP"}, "echo", "found")
	if out != "found" || status != 0 {
		t.Errorf("without PATH: got %q, status %d", out, status)
	}
}

// A client on an AF_UNIX socket has no address; tcp-env always said so.
func TestUnixSocket(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
	defer ours.Close()
	defer theirs.Close()
	out, status := tcpEnvRun(t, theirs, []string{"TCPREMOTEHOST=forged", "TCP6REMOTEIP=forged", dumpVar + "=1"}, self(t))
	if want := "PROTO=TCP TCPLOCALIP=0.0.0.0 TCPLOCALPORT=0 TCPREMOTEIP=0.0.0.0 TCPREMOTEPORT=0"; out != want || status != 0 {
		t.Errorf("got %q, status %d, want %q", out, status, want)
	}
}

func TestParse(t *testing.T) {
	tests := []struct {
		args  string
		ident bool
		wait  time.Duration
		argv  string
	}{
		{"prog -R", true, 30 * time.Second, "prog -R"},
		{"-R prog", false, 30 * time.Second, "prog"},
		{"-R -r prog", true, 30 * time.Second, "prog"},
		{"-rR prog", false, 30 * time.Second, "prog"},
		{"-t3 prog", true, 3 * time.Second, "prog"},
		{"-t 3 prog", true, 3 * time.Second, "prog"},
		{"-Rt3 prog", false, 3 * time.Second, "prog"},
		{"-t3x prog", true, 3 * time.Second, "prog"},
		{"-tabc prog", true, 0, "prog"},
		{"-t -1 prog", true, 0, "prog"},
		{"-t99999999999999999999 prog", true, 1 << 31 * time.Second, "prog"},
		{"-x prog", true, 30 * time.Second, "prog"},
		{"-- -R prog", true, 30 * time.Second, "-R prog"},
		{"- prog", true, 30 * time.Second, "- prog"},
		{"-t", true, 30 * time.Second, ""},
	}
	for _, tt := range tests {
		o, argv := parse(strings.Fields(tt.args))
		if o.ident != tt.ident || o.wait != tt.wait || strings.Join(argv, " ") != tt.argv {
			t.Errorf("%s: got %+v %q", tt.args, o, argv)
		}
	}
}

func TestLean(t *testing.T) { lean.Test(t) }

// connect returns the server's end of a connection as a blocking descriptor
// for a child, and the client's.
func connect(t *testing.T, network string, client, server netip.Addr) (*os.File, *net.TCPConn) {
	t.Helper()
	l, err := net.ListenTCP(network, net.TCPAddrFromAddrPort(netip.AddrPortFrom(server, 0)))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	to := netip.AddrPortFrom(server, l.Addr().(*net.TCPAddr).AddrPort().Port())
	if server.IsUnspecified() {
		to = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.9"), to.Port())
	}
	c, err := net.DialTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(client, 0)), net.TCPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	s, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f, err := s.File()
	if err != nil {
		t.Fatal(err)
	}
	f.Fd() // makes it blocking, as inetd hands it over
	t.Cleanup(func() { f.Close() })
	return f, c
}

func answerIdent(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		query, _ := bufio.NewReader(conn).ReadString('\n')
		fmt.Fprintf(conn, "%s : USERID : UNIX : joe\r\n", strings.TrimSpace(query))
		conn.Close()
	}
}
