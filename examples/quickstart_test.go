package examples_test

import (
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"doorward/launcher/run"
)

// quickstart/run, as anybody would run it, and then what it tells its user to
// type, line by line.
func TestQuickstart(t *testing.T) {
	q := startQuickstart(t, "")
	v4, v6 := "127.0.0.1:"+q.port, "[::1]:"+q.port
	tryAll(t, []try{
		{"127.0.0.1", v4, "x@elsewhere.example", "250"},
		{"::1", v6, "x@elsewhere.example", "250"},
		{"127.0.0.2", v4, "x@elsewhere.example", "553"},
		{"127.0.0.2", v4, "x@quickstart.example", "250"},
		{"127.0.0.66", v4, "x@quickstart.example", "closed"},
	})

	typed := q.lines("    bin/try ")
	want := []int{0, 0, 0, 1, 1}
	if len(typed) != len(want) {
		t.Fatalf("told to type %q", typed)
	}
	for i, line := range typed {
		cmd := exec.Command("sh", "-c", strings.ReplaceAll(line, "bin/try", q.tree+"/bin/try"))
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != want[i] {
			t.Errorf("%s: exit status %d, want %d\n%s", strings.TrimSpace(line), got, want[i], out)
		}
	}
	if got := len(texts(t, q.maildir()+"/new/*")); got != 3 {
		t.Errorf("%d mails in %s, want 3", got, q.maildir())
	}
	others(t, q)

	// One line for every connection names the rule.
	q.stop(t)
	for _, rule := range []string{"hosts.allow:3", "hosts.allow:4", "hosts.deny:2"} {
		if !strings.Contains(q.output(), rule) {
			t.Errorf("the log does not name %s:\n%s", rule, q.output())
		}
	}
}

// others types the lines for other clients, where there are those.
func others(t *testing.T, q *quickstart) {
	for _, line := range append(q.lines("    swaks "), q.lines("    printf ")...) {
		program := "swaks"
		if strings.Contains(line, "| nc ") {
			program = "nc"
		}
		if _, err := exec.LookPath(program); err != nil {
			t.Logf("%s: not installed, its line is not tried", program)
			continue
		}
		out, _ := exec.Command("sh", "-c", line).CombinedOutput()
		if !strings.Contains(string(out), "553 sorry") {
			t.Errorf("%s: want 553\n%s", strings.TrimSpace(line), out)
		}
	}
}

// What stops it leaves nothing: no process, no socket, no file.
func TestQuickstartStops(t *testing.T) {
	run.DefaultSignals() // even if nohup(1) runs the tests
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(sig.String(), func(t *testing.T) {
			q := startQuickstart(t, "")
			idle := dial(t, "127.0.0.1", "127.0.0.1:"+q.port)
			idle.reply() // a session is under way
			dir := filepath.Dir(q.maildir())
			q.stopBy(t, sig)
			if _, err := os.Stat(dir); !os.IsNotExist(err) {
				t.Errorf("%s is left: %v", dir, err)
			}
			if _, err := net.Dial("tcp", "127.0.0.1:"+q.port); err == nil {
				t.Error("somebody still listens")
			}
			eventually(t, "no process of it is left", func() bool {
				return !slices.ContainsFunc(texts(t, "/proc/[0-9]*/cmdline"), func(args string) bool { return strings.Contains(args, dir) })
			})
		})
	}
}

// A clone whose path has blanks and other letters with a meaning works too.
func TestQuickstartOddPath(t *testing.T) {
	q := startQuickstart(t, "my $odd & 'good' [repo]")
	if got := rcpt(t, "::1", "[::1]:"+q.port, "x@elsewhere.example"); !strings.HasPrefix(got, "250") {
		t.Errorf("got %q, want 250", got)
	}
	q.stop(t)
}

// A port that is none is refused before anything is built or started.
func TestQuickstartPort(t *testing.T) {
	cmd := exec.Command(filepath.Join(files, "quickstart/run"))
	cmd.Env = append(os.Environ(), "PORT=25 25")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "want a number") {
		t.Errorf("%v, %q", err, out)
	}
}

type quickstart struct {
	cmd  *exec.Cmd
	tree string // the clone it runs in
	port string
	log  string // what it wrote, a file
}

// startQuickstart runs the script in a copy of the module, one in a directory
// of the name if it is not empty: make run in a fresh clone.
func startQuickstart(t *testing.T, name string) *quickstart {
	t.Helper()
	needs(t, "sh", "mktemp", "sed")
	tree := fresh(t)
	if name != "" {
		tree = filepath.Join(t.TempDir(), name)
		clone(t, tree)
	}
	q := &quickstart{tree: tree, port: freePort(t), log: filepath.Join(t.TempDir(), "log")}
	log, err := os.Create(q.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	q.cmd = exec.Command(filepath.Join(tree, "examples/quickstart/run"))
	q.cmd.Env = append(os.Environ(), "PORT="+q.port, "TMPDIR="+t.TempDir())
	q.cmd.Stdout, q.cmd.Stderr = log, log
	q.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := q.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-q.cmd.Process.Pid, syscall.SIGTERM)
		q.cmd.Wait()
		if t.Failed() {
			t.Logf("log:\n%s", q.output())
		}
	})
	q.ready(t)
	return q
}

// fresh returns a clone that the tests share, so that they build once.
func fresh(t *testing.T) string {
	t.Helper()
	tree := filepath.Join(bin, "clone")
	if _, err := os.Stat(tree); err != nil {
		clone(t, tree)
	}
	return tree
}

// clone copies what git has, or would, of this module.
func clone(t *testing.T, tree string) {
	t.Helper()
	root := filepath.Dir(files)
	for _, dir := range []string{"acl", "launcher", "cmd", "examples"} {
		if err := os.CopyFS(filepath.Join(tree, dir), os.DirFS(filepath.Join(root, dir))); err != nil {
			t.Fatal(err)
		}
	}
	must(t, "cp", filepath.Join(root, "go.mod"), filepath.Join(root, "go.sum"), tree)
}

// freePort returns a port that nobody listens on at either loopback address.
func freePort(t *testing.T) string {
	t.Helper()
	for range 20 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
		l6, err := net.Listen("tcp", "[::1]:"+port)
		l.Close()
		if err == nil {
			l6.Close()
			return port
		}
	}
	t.Skip("needs IPv6 on loopback")
	return ""
}

// ready waits until both addresses answer; building comes first.
func (q *quickstart) ready(t *testing.T) {
	t.Helper()
	for _, host := range []string{"127.0.0.1", "::1"} {
		for end := time.Now().Add(3 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
			if q.cmd.Process.Signal(syscall.Signal(0)) != nil || time.Now().After(end) {
				t.Fatalf("does not listen on %s", host)
			}
			conn, err := net.Dial("tcp", net.JoinHostPort(host, q.port))
			if err == nil {
				io.WriteString(conn, "QUIT\r\n")
				io.Copy(io.Discard, conn)
				conn.Close()
				break
			}
			var state syscall.WaitStatus
			if pid, _ := syscall.Wait4(q.cmd.Process.Pid, &state, syscall.WNOHANG, nil); pid > 0 {
				t.Fatalf("ended with status %d", state.ExitStatus())
			}
		}
	}
}

func (q *quickstart) output() string {
	text, _ := os.ReadFile(q.log)
	return string(text)
}

// lines returns the lines of what it printed that begin with prefix.
func (q *quickstart) lines(prefix string) (found []string) {
	for line := range strings.Lines(q.output()) {
		if strings.HasPrefix(line, prefix) {
			found = append(found, line)
		}
	}
	return found
}

// maildir returns where it says that mail arrives.
func (q *quickstart) maildir() string {
	_, rest, _ := strings.Cut(q.output(), "mail arrives in ")
	dir, _, _ := strings.Cut(rest, "/new.")
	return dir
}

func (q *quickstart) stop(t *testing.T) {
	t.Helper()
	q.stopBy(t, os.Interrupt)
}

func (q *quickstart) stopBy(t *testing.T, sig os.Signal) {
	t.Helper()
	q.cmd.Process.Signal(sig)
	done := make(chan error, 1)
	go func() { done <- q.cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("stopped by %v: %v, want status 0", sig, err)
		}
	case <-time.After(15 * time.Second):
		t.Fatalf("%v did not stop it", sig)
	}
}
