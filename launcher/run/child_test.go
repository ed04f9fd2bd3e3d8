package run

import (
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// sleepers starts n programs that wait for the other end of a socket to close.
func sleepers(t *testing.T, n int) (cs []*Child, wake func()) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &Program{Path: "/bin/cat"}
	for range n {
		c, err := p.Start(fds[0], nil)
		if err != nil {
			t.Fatal(err)
		}
		cs = append(cs, c)
	}
	unix.Close(fds[0])
	return cs, func() { unix.Close(fds[1]) }
}

func threads(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

func TestWaitTakesNoThread(t *testing.T) {
	cs, wake := sleepers(t, 300)
	before, open := threads(t), openDescriptors(t)
	var wg sync.WaitGroup
	for _, c := range cs {
		wg.Go(func() {
			if status, err := c.Wait(); err != nil || status != 0 {
				t.Errorf("status %v, %v", status, err)
			}
		})
	}
	if n := threads(t); n > before+20 || n > 40 {
		t.Errorf("%d threads for %d children, %d before", n, len(cs), before)
	}
	if open > 100 {
		t.Errorf("%d descriptors are open for %d children", open, len(cs))
	}
	wake()
	wg.Wait()
	if n := threads(t); n > before+20 {
		t.Errorf("%d threads after %d children, %d before", n, len(cs), before)
	}
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// Children that somebody else in this process has started are his, before and
// after they have ended, and do not keep others from being waited for.
func TestOthersAreLeftAlone(t *testing.T) {
	other := osexec.Command("/bin/sh", "-c", "exit 9")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	for !zombie(t, other.Process.Pid) {
		time.Sleep(time.Millisecond)
	}
	cs, wake := sleepers(t, 10)
	wake()
	for _, c := range cs {
		if status, err := c.Wait(); err != nil || status != 0 {
			t.Errorf("status %v, %v", status, err)
		}
	}
	if other.Wait(); other.ProcessState.ExitCode() != 9 {
		t.Errorf("got %v", other.ProcessState)
	}
}

// zombie reports whether a process has ended and has not been waited for.
func zombie(t *testing.T, pid int) bool {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(stat), ") Z ")
}

func TestStatusIsTheKernels(t *testing.T) {
	fd, client := connection()
	defer client.Close()
	defer unix.Close(fd)
	for script, want := range map[string]Status{"exit 7": 1792, "kill -9 $$": 9, "exit 0": 0} {
		p := &Program{Path: "/bin/sh", Argv: []string{"sh", "-c", script}, Stderr: StderrSocket}
		c, err := p.Start(fd, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.Wait(); got != want || err != nil {
			t.Errorf("%s: got %d, %v, want %d", script, got, err, want)
		}
		if err := c.Kill(syscall.SIGTERM); err != os.ErrProcessDone {
			t.Errorf("Kill after Wait: %v", err)
		}
	}
}

func TestKillReachesTheProgram(t *testing.T) {
	cs, wake := sleepers(t, 1)
	defer wake()
	if err := cs[0].Kill(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if status, err := cs[0].Wait(); err != nil || status.Signal() != syscall.SIGTERM {
		t.Errorf("got %v, %v", status, err)
	}
}

func TestUsersAreThoseOfTheSystem(t *testing.T) {
	u, err := LookupUser("nobody")
	if err != nil {
		t.Skip("needs a user nobody: ", err)
	}
	again, err := LookupUser("65534")
	if u.UID == 65534 && (err != nil || again.UID != u.UID) {
		t.Errorf("by number: %v, %v", again, err)
	}
	for _, name := range []string{"", "no such user", "nobody:x", "4294967295", "-1"} {
		var unknown *UnknownError
		if u, err := LookupUser(name); !errors.As(err, &unknown) {
			t.Errorf("%q: %v, %v", name, u, err)
		}
		if g, err := LookupGroup(name); !errors.As(err, &unknown) {
			t.Errorf("%q: %v, %v", name, g, err)
		}
	}
}

func TestGroupsOfAUser(t *testing.T) {
	const group = "root:x:0:\nmail:x:8:qmaild,dovecot\n# nine\nbad:x:nine:qmaild\nnofiles:x:81:qmaild\nqmail:x:82:dovecot,qmaildx\n"
	got := memberships(group, "qmaild", 81)
	if len(got) != 2 || got[0] != 81 || got[1] != 8 {
		t.Errorf("got %v, want 81 8", got)
	}
	if f := find(group, "8", 4); f == nil || f[0] != "mail" {
		t.Errorf("by number: %v", f)
	}
	if f := find("8:x:9:\nmail:x:8:\n", "8", 4); strings.Join(f, ":") != "8:x:9:" {
		t.Errorf("a name comes before a number: %v", f)
	}
}
