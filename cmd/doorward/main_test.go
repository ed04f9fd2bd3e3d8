package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// The test binary is doorward too, when it is started with this variable set.
const actAsDoorward = "DOORWARD_TEST_BE_DOORWARD"

func TestMain(m *testing.M) {
	if os.Getenv(actAsDoorward) != "" {
		main()
		os.Exit(0)
	}
	testscript.Main(m, map[string]func(){"doorward": main})
}

// A server is a running doorward with files of its own.
type server struct {
	t    *testing.T
	dir  string
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// start runs "doorward serve" on config, in which DIR stands for the server's
// directory and PORT for a free port. Files are put there first.
func start(t *testing.T, config string, files map[string]string, flags ...string) (*server, string) {
	t.Helper()
	s, port := prepare(t, config, files)
	s.run(flags...)
	s.waitFor(`serving`)
	return s, port
}

func prepare(t *testing.T, config string, files map[string]string) (*server, string) {
	t.Helper()
	s := &server{t: t, dir: t.TempDir()}
	os.Chmod(s.dir, 0o755) // for services of other users
	os.Chmod(filepath.Dir(s.dir), 0o755)
	port := freePort(t)
	config = strings.NewReplacer("PORT", port, "DIR", s.dir).Replace(config)
	s.write("doorward.conf", config)
	s.write("hosts.allow", "")
	s.write("hosts.deny", "")
	dump, err := os.ReadFile("testdata/dump.sh")
	if err != nil {
		t.Fatal(err)
	}
	s.write("dump.sh", string(dump))
	for name, text := range files {
		s.write(name, strings.ReplaceAll(text, "DIR", s.dir))
	}
	return s, port
}

// run starts the process; what is still running at the end of the test is
// stopped.
func (s *server) run(flags ...string) {
	s.t.Helper()
	s.command(flags...)
	s.launch()
}

func (s *server) command(flags ...string) {
	s.t.Helper()
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	args := append([]string{"serve", "-config", s.dir + "/doorward.conf", "-hosts-allow", s.dir + "/hosts.allow",
		"-hosts-deny", s.dir + "/hosts.deny"}, flags...)
	s.cmd = exec.Command(self, args...)
	s.cmd.Env = append(os.Environ(), actAsDoorward+"=1", "RELAYCLIENT=inherited", "TCPREMOTEHOST=inherited")
}

// launch starts s.cmd with its log in a file: a pipe would stay open as long
// as any session has it.
func (s *server) launch() {
	s.t.Helper()
	log, err := os.Create(s.dir + "/log")
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	s.cmd.Stderr = log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	done := make(chan struct{})
	cmd := s.cmd
	go func() { cmd.Wait(); close(done) }()
	s.done = done
	s.t.Cleanup(func() {
		cmd.Process.Kill()
		<-done
		if s.t.Failed() {
			s.t.Logf("log:\n%s", s.logged())
		}
	})
}

func (s *server) write(name, text string) {
	s.t.Helper()
	tmp := filepath.Join(s.dir, "."+filepath.Base(name)+".tmp")
	if err := os.WriteFile(tmp, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(tmp, filepath.Join(s.dir, name)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) logged() string {
	b, _ := os.ReadFile(s.dir + "/log")
	return string(b)
}

// waitFor waits for a line of the log that matches.
func (s *server) waitFor(pattern string) string {
	s.t.Helper()
	re := regexp.MustCompile(`(?m)^.*(` + pattern + `).*$`)
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if line := re.FindString(s.logged()); line != "" {
			return line
		}
	}
	s.t.Fatalf("no line matches %q in the log:\n%s", pattern, s.logged())
	return ""
}

func (s *server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// dialFrom connects to addr from a local address, hangs up on its side, and
// returns what it is sent until the end.
func dialFrom(from, addr string) (string, error) {
	d := net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.DialContext(context.Background(), "tcp", addr)
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	c.(*net.TCPConn).CloseWrite()
	b, err := io.ReadAll(c)
	return string(b), err
}

func mustDial(t *testing.T, from, addr string) string {
	t.Helper()
	s, err := dialFrom(from, addr)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sections takes the output of dump.sh apart.
func sections(dump string) map[string][]string {
	m := map[string][]string{}
	var name string
	for line := range strings.Lines(dump) {
		line = strings.TrimSuffix(line, "\n")
		if s, ok := strings.CutPrefix(line, "== "); ok {
			name = s
			m[name] = []string{}
			continue
		}
		m[name] = append(m[name], line)
	}
	return m
}

// freePort returns a port that nobody listens on. The kernel gives it to no
// client that connects from anywhere meanwhile, as it would one from its range
// of local ports (32768 and above, ip(7)).
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		port := fmt.Sprint(16384 + rand.IntN(16384))
		if l, err := net.Listen("tcp", ":"+port); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}
