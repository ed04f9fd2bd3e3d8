//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"doorward/cmd/internal/netbox"
	"doorward/launcher/run"
)

// A subject is services of a file, and who looks at them.
type subject struct {
	name     string
	services string            // of the file; DIR is where its files are
	native   string            // the same in doorward's own attributes, if it is told so
	files    map[string]string // by their name in DIR
	logs     string            // the ids whose log lines are compared, as a pattern
	port     int               // the last one that is listened on
	play     func(t *testing.T, dir string) []scene
}

// A scene is something that a client, a program or a log sees.
type scene struct{ name, saw string }

// logged comes before the services of every subject.
const logged = `defaults
{
	log_type       = FILE DIR/service.log
	log_on_success = PID HOST EXIT DURATION
	log_on_failure = HOST
}
`

// The real xinetd and doorward serve the same file: what a client sees, what
// a program is started with and what the log of the services says is equal.
func TestCompareXinetd(t *testing.T) {
	netbox.Skip(t)
	if _, err := exec.LookPath("xinetd"); err != nil {
		t.Skip("not installed: xinetd")
	}
	if os.Getenv(insideXinetd) == "" {
		alone(t)
		return
	}
	run.DefaultSignals() // what make leaves ignored, xinetd would pass on
	if out, err := exec.Command("sh", "-c", "ip link set lo up && mount -t proc proc /proc").CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	same, all := 0, 0
	for _, s := range []subject{kindsSubject(t), agent(), gitDaemon(), rsyncDaemon(), smtp(), nativeSMTP(), idOnly()} {
		t.Run(s.name, func(t *testing.T) {
			for _, program := range s.programs() {
				if _, err := os.Stat(program); err != nil {
					t.Skip("not installed:", program)
				}
			}
			equal, n := s.compare(t)
			same, all = same+equal, all+n
		})
	}
	t.Logf("conformance xinetd services: %d of %d", same, all)
}

// programs are the servers and what they are told to start.
func (s subject) programs() []string {
	return regexp.MustCompile(`/usr/s?bin/[a-z-]+`).FindAllString(s.services+s.native, -1)
}

func (s subject) compare(t *testing.T) (same, all int) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	real := s.scenes(t, s.services, func(dir string) *exec.Cmd {
		return exec.Command("xinetd", "-f", dir+"/conf", "-dontfork", "-filelog", dir+"/program.log", "-pidfile", dir+"/pid")
	})
	told := s.services
	if s.native != "" {
		told = s.native
	}
	ours := s.scenes(t, told, func(dir string) *exec.Cmd {
		cmd := exec.Command(self, "serve", "-config", dir+"/conf")
		cmd.Env = append(os.Environ(), actAsDoorward+"=1")
		return cmd
	})
	for i := range real {
		if real[i] == ours[i] {
			same++
			continue
		}
		t.Errorf("%s\nxinetd:   %q\ndoorward: %q", real[i].name, real[i].saw, ours[i].saw)
	}
	return same, len(real)
}

const insideXinetd = "DOORWARD_TEST_INSIDE_XINETD"

// alone runs the test again with a network of its own, and with processes of
// its own: what it leaves behind ends with it.
func alone(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestCompareXinetd$", "-test.v", "-test.timeout=100s")
	cmd.Env = append(os.Environ(), insideXinetd+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
		Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}

// scenes starts a program on the services, and has every scene played.
func (s subject) scenes(t *testing.T, services string, program func(dir string) *exec.Cmd) []scene {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "xinetd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	put := func(name, text string) {
		name = filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(name), 0o755)
		if err := os.WriteFile(name, []byte(strings.ReplaceAll(text, "DIR", dir)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	put("conf", logged+services)
	for name, text := range s.files {
		put(name, text)
	}
	if prepare, ok := s.files["prepare"]; ok {
		if out, err := exec.Command("sh", "-ec", strings.ReplaceAll(prepare, "DIR", dir)).CombinedOutput(); err != nil {
			t.Fatal(err, string(out))
		}
	}
	cmd := program(dir)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Signal(syscall.SIGTERM)
	waitForPort(t, s.port)
	scenes := s.play(t, dir)
	time.Sleep(300 * time.Millisecond) // for the last line of the log
	return append(scenes, s.logScene(dir+"/service.log"))
}

// logScene is the lines of the service log, without numbers that differ by
// nature. Not compared are those about clients that xinetd starts a process
// for and we do not: its START and EXIT lines of a client that is kept out,
// and those of services without a program, which have no pid with us.
func (s subject) logScene(name string) scene {
	text, _ := os.ReadFile(name)
	numbers := regexp.MustCompile(`(pid=|duration=)\d+|^\d+/\d+/\d+@\d+:\d+:\d+`)
	wanted := regexp.MustCompile(`: (` + s.logs + `)\b`)
	var lines []string
	for line := range strings.Lines(string(text)) {
		if wanted.MatchString(line) && !forKeptOut(line, string(text)) {
			lines = append(lines, numbers.ReplaceAllString(line, "${1}N"))
		}
	}
	slices.Sort(lines)
	return scene{"the service log", strings.Join(slices.Compact(lines), "")}
}

// forKeptOut reports whether a line tells of a program that xinetd started for
// a client and that then found the client not to be let in.
func forKeptOut(line, log string) bool {
	_, client, ok := strings.Cut(line, " from=")
	return ok && strings.Contains(line, ": START: ") && regexp.MustCompile(`: FAIL: \S+ address from=`+regexp.QuoteMeta(client)).MatchString(log)
}
