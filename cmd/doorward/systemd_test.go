package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// insideSystemd names the test that is running on a systemd of its own.
const insideSystemd = "DOORWARD_TEST_INSIDE"

// inSystemd runs the calling test on a systemd of its own, where everything
// may be changed and nothing of it stays, and returns true there. Outside it
// returns false when the test inside is over.
func inSystemd(t *testing.T) bool {
	t.Helper()
	if os.Getenv(insideSystemd) == t.Name() {
		return true
	}
	sandbox := os.Getenv("DOORWARD_SANDBOX")
	switch {
	case sandbox == "":
		t.Skip("needs DOORWARD_SANDBOX, the path of systemd-sandbox.sh")
	case os.Getuid() != 0:
		t.Skip("needs root")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SBX_BIND", filepath.Dir(self)) // the sandbox's /tmp is its own
	t.Setenv("SBX_DIR", filepath.Join(t.TempDir(), "sandbox"))
	out, err := exec.CommandContext(t.Context(), sandbox, "run", "env", insideSystemd+"="+t.Name(),
		"DOORWARD_COMPARE="+os.Getenv("DOORWARD_COMPARE"),
		self, "-test.run=^"+t.Name()+"$", "-test.v", "-test.count=1", "-test.timeout=110s").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()+" ") {
		t.Errorf("inside: %v\n%s", err, out)
	} else {
		t.Logf("inside:\n%s", out)
	}
	return false
}

func systemctl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("systemctl", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("systemctl %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// twin is a service whose two variables come from one version of its
// definition, or from two that were mixed.
func twin(id, port, user, version string) string {
	return strings.NewReplacer("ID", id, "PORT", port, "USER", user, "VERSION", version).Replace(`service ID
{
	type = UNLISTED
	socket_type = stream
	protocol = tcp
	wait = no
	user = USER
	port = PORT
	server = /bin/sh
	server_args = /etc/twin.sh
	env = LEFT=VERSION RIGHT=VERSION
}
`)
}

// install puts doorward on the machine, with units for the services "held" and
// "idle", of two users; "own" comes later, and binds its socket itself.
func install(t *testing.T) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	copyFile(t, self, "/usr/local/bin/doorward")
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("/etc/twin.sh", "read line\necho \"$LEFT $RIGHT $line\"\n")
	write("/etc/doorward.conf", twin("held", "7001", "daemon", "0")+twin("idle", "7003", "nobody", "0"))
	cmd := exec.Command("/usr/local/bin/doorward", "units", "-config", "/etc/doorward.conf", "-out", "/run/systemd/system")
	cmd.Env = append(os.Environ(), actAsDoorward+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	write("/run/systemd/system/doorward.service.d/test.conf", "[Service]\nEnvironment="+actAsDoorward+"=1\n")
	configure(t, "0")
	systemctl(t, "daemon-reload")
	systemctl(t, "start", "doorward-held.socket", "doorward.service")
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := exec.Command("journalctl", "--no-pager", "-u", "doorward.service", "--grep", "^doorward:|systemd|Main process|left-over|kill").CombinedOutput()
			t.Logf("journal:\n%s", out)
		}
	})
}

func configure(t *testing.T, version string) {
	t.Helper()
	text := twin("held", "7001", "daemon", version) + twin("idle", "7003", "nobody", version) + twin("own", "7002", "nobody", version)
	if err := os.WriteFile("/etc/.doorward.new", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename("/etc/.doorward.new", "/etc/doorward.conf"); err != nil {
		t.Fatal(err)
	}
}

// A crowd is clients that come and go.
type crowd struct {
	served atomic.Int64
	stop   atomic.Bool
	done   sync.WaitGroup

	mu      sync.Mutex
	lost    []string // what should never be
	crashes []span   // when doorward was killed: who was being let in is lost
	victims int
}

type span struct{ from, to time.Time }

// errServed is an answer that is not one.
var errServed = errors.New("bad answer")

// gather has so many clients come at once, each again and again.
func gather(n int) *crowd {
	c := &crowd{}
	for i := range n {
		addr := []string{"127.0.0.1:7001", "127.0.0.1:7002", "[::1]:7001", "[::1]:7002"}[i%4]
		c.done.Go(func() {
			for !c.stop.Load() {
				c.visit(addr)
			}
		})
	}
	return c
}

func (c *crowd) visit(addr string) {
	began := time.Now()
	err := exchange(addr)
	if err == nil {
		c.served.Add(1)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, crash := range c.crashes {
		// Not refused and not unanswered by those who were there: accepted by
		// the process that was killed.
		if !errors.Is(err, errServed) && !errors.Is(err, syscall.ECONNREFUSED) && began.Before(crash.to) && time.Now().After(crash.from) {
			c.victims++
			return
		}
	}
	c.lost = append(c.lost, fmt.Sprintf("%s after %v: %v", addr, time.Since(began).Round(time.Millisecond), err))
}

func exchange(addr string) error {
	conn, err := net.DialTimeout("tcp", addr, 20*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(conn, "hello\n")
	b, err := io.ReadAll(conn)
	if err != nil {
		return err
	}
	f := strings.Fields(string(b))
	if len(f) == 0 {
		return io.ErrUnexpectedEOF
	}
	if len(f) != 3 || f[0] != f[1] || f[2] != "hello" {
		return fmt.Errorf("%w: %q", errServed, b)
	}
	return nil
}

// crash kills doorward and waits for it to be back.
func (c *crowd) crash(t *testing.T) {
	t.Helper()
	pid := systemctl(t, "show", "-P", "MainPID", "doorward.service")
	c.mu.Lock()
	c.crashes = append(c.crashes, span{from: time.Now(), to: time.Now().Add(time.Hour)})
	c.mu.Unlock()
	systemctl(t, "kill", "-s", "KILL", "--kill-who=main", "doorward.service")
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat("/proc/" + pid); err != nil {
			break
		}
	}
	c.mu.Lock()
	c.crashes[len(c.crashes)-1].to = time.Now()
	c.mu.Unlock()
	for end := time.Now().Add(10 * time.Second); systemctl(t, "show", "-P", "SubState", "doorward.service") != "running"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("doorward does not come back")
		}
	}
}

// While doorward is restarted, killed, replaced and reloaded, nobody is
// refused, nobody reset, and nobody served by half a configuration. Only who
// is in the hands of a doorward that is killed, accepted and without a process
// yet, has nobody left to be served by.
func TestSystemdUnderLoad(t *testing.T) {
	if !inSystemd(t) {
		return
	}
	install(t)
	least := int64(1000)
	if os.Getenv("DOORWARD_COMPARE") == "1" {
		least = 10000
	}
	c := gather(32)
	sometimes := func(n int, what string, do func()) {
		before, start := c.served.Load(), time.Now()
		for range n {
			do()
			time.Sleep(150 * time.Millisecond)
		}
		t.Logf("%d of %s: %d connections in %v", n, what, c.served.Load()-before, time.Since(start).Round(time.Millisecond))
	}
	sometimes(5, "systemctl restart", func() { systemctl(t, "restart", "doorward.service") })
	pid := systemctl(t, "show", "-P", "MainPID", "doorward.service")
	sometimes(5, "SIGUSR2", func() { systemctl(t, "kill", "-s", "USR2", "--kill-who=main", "doorward.service") })
	if now := systemctl(t, "show", "-P", "MainPID", "doorward.service"); now != pid {
		t.Errorf("process %s became %s", pid, now)
	}
	version := 0
	sometimes(20, "systemctl reload", func() {
		version++
		configure(t, fmt.Sprint(version))
		systemctl(t, "reload", "doorward.service")
	})
	sometimes(3, "kill -9", func() { c.crash(t) })
	for end := time.Now().Add(60 * time.Second); c.served.Load() < least && time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
	}
	c.stop.Store(true)
	c.done.Wait()

	for i, l := range c.lost {
		if i < 20 {
			t.Errorf("lost: %s", l)
		}
	}
	if n := c.served.Load(); n < least {
		t.Errorf("%d connections served, too few to mean anything", n)
	}
	if c.victims > 3*runtime.NumCPU() { // as many as were being served just then
		t.Errorf("%d connections lost with a doorward that was killed", c.victims)
	}
	t.Logf("%d connections served, %d lost in all, %d of them in the hands of a doorward that was killed", c.served.Load(), len(c.lost)+c.victims, c.victims)
	log, _ := exec.Command("journalctl", "--no-pager", "-u", "doorward.service").Output()
	if n := strings.Count(string(log), "re-executed: took over"); n != 5 {
		t.Errorf("re-executed %d times", n)
	}
}
