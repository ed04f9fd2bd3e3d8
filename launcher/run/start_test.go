package run

import (
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func needsRoot(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
}

// each runs a test for both ways to start a program.
func each(t *testing.T, f func(t *testing.T, spawn spawner)) {
	for name, spawn := range spawners {
		t.Run(name, func(t *testing.T) { f(t, spawn) })
	}
}

// holds checks that text has every one of the lines.
func holds(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, want := range lines {
		if !strings.Contains("\n"+text, "\n"+want+"\n") {
			t.Errorf("no line %q in\n%s", want, text)
		}
	}
}

func TestProgramGetsTheConnectionAndNothingElse(t *testing.T) {
	each(t, func(t *testing.T, spawn spawner) {
		p := self("state")
		p.Stderr = StderrSocket
		out, err := output(spawn, p, []string{"DUMP=state", "A=b"})
		if err != nil {
			t.Fatal(err)
		}
		holds(t, out, `env ["A=b" "DUMP=state"]`, `args ["self" "state"]`)
		_, fds, _ := strings.Cut(out, "fd ")
		if want := "0 socket nonblock=false\nfd 1 socket nonblock=false\nfd 2 socket nonblock=false\n"; fds != want {
			t.Errorf("open: %s, want %s", fds, want)
		}
	})
}

func TestProgramHasSettingsOfItsOwn(t *testing.T) {
	each(t, func(t *testing.T, spawn spawner) {
		p := self("state")
		p.Umask, p.Dir, p.Nice, p.Setsid = new(0o123), "/", 2, true
		before, _ := niceness()
		out, err := output(spawn, p, []string{"DUMP=state"})
		if err != nil {
			t.Fatal(err)
		}
		holds(t, out, "Umask 0123", "cwd /", fmt.Sprint("nice ", before+2), "session true")
	})
	holds(t, state(), fmt.Sprintf("Umask %04o", umask()), "session false")
}

func umask() int {
	m := unix.Umask(0)
	unix.Umask(m)
	return m
}

func TestLimitsHoldInTheChildOnly(t *testing.T) {
	p := self("state")
	p.Limits = []Limit{{unix.RLIMIT_CPU, 100, 200}, {unix.RLIMIT_NOFILE, 50, 60}}
	out, err := output(forkExec, p, nil)
	if !errors.Is(err, syscall.ENOSYS) {
		t.Errorf("plain way: %q, %v; it must not start a program without its limits", out, err)
	}
	if !fast() {
		t.Skip("the fast way is built out")
	}
	out, err = output(vforkExec, p, []string{"DUMP=state"})
	if err != nil {
		t.Fatal(err)
	}
	holds(t, out, "cpu 100 200", "nofile 50")
	holds(t, state(), "cpu -1 -1")
}

// fast reports whether vforkExec is what it says.
func fast() bool {
	p := Program{Path: "/", Limits: []Limit{{unix.RLIMIT_CORE, 0, 0}}}
	_, err := vforkExec(&p, [3]int{0, 1, 2}, nil)
	return haveVfork() && !errors.Is(err, syscall.ENOSYS)
}

func TestProgramRunsAsItsUser(t *testing.T) {
	needsRoot(t)
	each(t, func(t *testing.T, spawn spawner) {
		p := &Program{Path: "/bin/cat", Argv: []string{"cat", "/proc/self/status"}}
		p.Cred = &Credential{UID: 65534, GID: 65533, Groups: []uint32{65533, 100000, 7}}
		out, err := output(spawn, p, nil)
		if err != nil {
			t.Fatal(err)
		}
		holds(t, out, "Uid:\t65534\t65534\t65534\t65534", "Gid:\t65533\t65533\t65533\t65533", "Groups:\t7 65533 100000 ", "CapEff:\t0000000000000000")

		p.Cred = &Credential{GID: 5, KeepUser: true, KeepGroups: true}
		out, _ = output(spawn, p, nil)
		holds(t, out, "Uid:\t0\t0\t0\t0", "Gid:\t5\t5\t5\t5")
	})
}

func TestNothingRunsIfGroupsCannotBeSet(t *testing.T) {
	needsRoot(t)
	out := asProgram(t, "nogroups")
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		if !strings.HasSuffix(strings.TrimSpace(line), "operation not permitted") {
			t.Errorf("%q: want an error and nothing else", line)
		}
	}
	if strings.Count(out, "\n") != len(spawners) {
		t.Errorf("got %q", out)
	}
}

// asProgram runs this test binary in a process of its own.
func asProgram(t *testing.T, what string) string {
	t.Helper()
	cmd := osexec.Command(self(what).Path)
	cmd.Env = []string{"DUMP=" + what}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

func TestSignalsAreDefaultAndUnblocked(t *testing.T) {
	out := asProgram(t, "ignore")
	for _, word := range []string{"SigBlk", "SigIgn", "SigCgt"} {
		if n := strings.Count(out, word+":\t0000000000000000\n"); n != len(spawners) {
			t.Errorf("%s is clean in %d of %d children:\n%s", word, n, len(spawners), out)
		}
	}
}

func TestOpenFilesLimitIsTheOriginal(t *testing.T) {
	exe := self("lowlimit").Path
	cmd := osexec.Command("/bin/sh", "-c", `ulimit -S -n 77 && exec "$0"`, exe)
	cmd.Env = []string{"DUMP=lowlimit"}
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Count(string(out), "<nil> 77\n") != len(spawners) {
		t.Errorf("%v: %s", err, out)
	}
}

func TestStartSaysWhatFailed(t *testing.T) {
	each(t, func(t *testing.T, spawn spawner) {
		for _, tt := range []struct {
			p    Program
			want error
		}{
			{Program{Path: "/nonexistent"}, syscall.ENOENT},
			{Program{Path: "/etc/passwd"}, syscall.EACCES},
			{Program{Path: "/bin/cat", Dir: "/nonexistent"}, syscall.ENOENT},
			{Program{Path: "/bin/cat\x00"}, syscall.EINVAL},
			{Program{Path: "/bin/cat", Argv: []string{"a\x00b"}}, syscall.EINVAL},
		} {
			_, err := output(spawn, &tt.p, nil)
			var e *Error
			if !errors.Is(err, tt.want) || !errors.As(err, &e) {
				t.Errorf("%q: got %v, want %v", tt.p.Path, err, tt.want)
			}
		}
	})
	if err := unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOHANG, nil); err != unix.ECHILD {
		t.Errorf("children are left: %v", err)
	}
}

func TestDescriptorsBelowThreeAreMovedAside(t *testing.T) {
	p := &Program{Path: "/bin/sh", Argv: []string{"sh", "-c", "echo out; echo err >&2"}}
	fd, client := connection()
	defer client.Close()
	old, _ := unix.Dup(1)
	unix.Dup3(fd, 1, 0)
	c, err := p.startOn([3]int{1, 2, 1}, nil) // 2 is wanted where 1 is
	unix.Dup3(old, 1, 0)
	unix.Close(old)
	unix.Close(fd)
	if err != nil {
		t.Fatal(err)
	}
	c.Wait()
	b := make([]byte, 100)
	client.SetReadDeadline(time.Now().Add(5 * time.Second))
	if n, _ := client.Read(b); string(b[:n]) != "err\n" {
		t.Errorf("got %q, want what went to descriptor 2", b[:n])
	}
}

func TestExecBecomesTheProgram(t *testing.T) {
	before, _ := niceness()
	out := asProgram(t, "exec")
	holds(t, out, "Umask 0031", "cwd /", fmt.Sprint("nice ", before+3), "cpu 100 200", `env ["A=b" "DUMP=state"]`, `args ["self" "state"]`)
}

func TestPlainWayWhereClone3IsForbidden(t *testing.T) {
	if out := asProgram(t, "noclone3"); out != "<nil> false true\n<nil> false true\n" {
		t.Errorf("got %q, want two programs started without clone3", out)
	}
}

func TestExecPassesOnWhatWasIgnored(t *testing.T) {
	holds(t, asProgram(t, "nohup"), "SigIgn:\t0000000000000001", "SigBlk:\t0000000000000000")
}
