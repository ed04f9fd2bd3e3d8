package run

import (
	"os"
	osexec "os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// under builds the program of testdata/under, and returns how to run it with
// soft limits of 9 MB, as softlimit(8) sets them: the output is what
// /proc/self/limits tells the program it starts.
func under(t *testing.T, flags ...string) func(way string, argv ...string) string {
	t.Helper()
	exe := buildUnder(t, flags...)
	return func(way string, argv ...string) string {
		const limits = `ulimit -S -d 8789 && ulimit -S -v 8789 && ulimit -S -s 8000 && exec "$@"`
		out, _ := osexec.Command("/bin/sh", append([]string{"-c", limits, "sh", exe, way}, argv...)...).CombinedOutput()
		return strings.Join(strings.Fields(string(out)), " ")
	}
}

func buildUnder(t *testing.T, flags ...string) (exe string) {
	t.Helper()
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("needs linux on amd64")
	}
	exe = filepath.Join(t.TempDir(), "under")
	build := osexec.Command("go", append(append([]string{"build", "-o", exe}, flags...), "./testdata/under")...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return exe
}

// line is what /proc/self/limits says of a resource with this soft limit and
// the hard limit of ours.
func line(name string, resource int, soft string) string {
	var l unix.Rlimit
	unix.Getrlimit(resource, &l)
	hard := "unlimited"
	if l.Max != unix.RLIM_INFINITY {
		hard = strconv.FormatUint(l.Max, 10)
	}
	return name + " " + soft + " " + hard + " bytes"
}

var (
	memory = line("Max address space", unix.RLIMIT_AS, "8999936")
	data   = line("Max data size", unix.RLIMIT_DATA, "8999936")
	stack  = line("Max stack size", unix.RLIMIT_STACK, "8192000")
)

// A program gets the soft limits that this process began with, by whatever way
// it is started, and whatever doorward_rt0 raised them to.
func TestProgramGetsTheSoftLimitsOfTheBeginning(t *testing.T) {
	for name, flags := range map[string][]string{
		"vfork":    {"-trimpath", "-ldflags", "-E doorward_rt0"},
		"forkexec": {"-tags", "forkexec", "-ldflags", "-s -w -E doorward_rt0"},
		"once":     {"-ldflags", "-E doorward_once_rt0"},
	} {
		t.Run(name, func(t *testing.T) {
			run := under(t, flags...)
			for _, way := range []string{"start", "exec", "exec again", "twist"} {
				out := run(way, "/bin/cat", "/proc/self/limits")
				contains(t, way, out, memory, data, stack)
			}
			file := filepath.Join(t.TempDir(), "limits")
			out := run("spawn", file)
			limits, _ := os.ReadFile(file)
			contains(t, "spawn "+out, strings.Join(strings.Fields(string(limits)), " "), memory, data)
		})
	}
}

func contains(t *testing.T, what, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%s: no %q in %s", what, w, text)
		}
	}
}

// Threads that ask for memory while Exec is under way do not meet the limits.
// A large environment takes the kernel some time to copy: four in five runs fail
// if they do.
func TestExecUnderSoftLimitsWhileBusy(t *testing.T) {
	run := under(t, "-ldflags", "-E doorward_rt0")
	for _, name := range []string{"A", "B", "C"} {
		t.Setenv(name, strings.Repeat("x", 60000))
	}
	for range 30 {
		out := run("exec busy", "/bin/cat", "/proc/self/limits")
		contains(t, "exec busy", out, memory, data)
		if before, _, _ := strings.Cut(out, "Limit"); before != "" {
			t.Fatalf("said before it was replaced: %.200s", before)
		}
	}
}

// A limit of the program's own wins over one that is given back.
func TestProgramLimitsWinOverThoseOfTheBeginning(t *testing.T) {
	run := under(t, "-ldflags", "-E doorward_rt0")
	contains(t, "explicit", run("explicit", "/bin/cat", "/proc/self/limits"), memory, "Max data size 7340032 8388608 bytes")
}

// Without the entry point Go does not begin under such limits, and works as
// ever without them. If the first is no longer so, doorward_rt0 is not needed.
func TestGoNeedsTheEntryPoint(t *testing.T) {
	run := under(t)
	contains(t, "under 9 MB", run("start", "/bin/cat", "/proc/self/limits"), "fatal error: failed to reserve page summary memory")
}

// What was not raised is not given back.
func TestNothingIsGivenBackWithoutSoftLimits(t *testing.T) {
	p := &Program{Path: "/bin/cat"}
	limits, err := p.originals(nil)
	for _, l := range limits {
		if ofMemory(l) {
			t.Errorf("gives back %v", l)
		}
	}
	if err != nil {
		t.Error(err)
	}
}
