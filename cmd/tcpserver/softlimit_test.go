//go:build linux && amd64

package main

import (
	"debug/elf"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// withEntry builds commands as the Makefile does, and returns their directory.
func withEntry(t *testing.T, commands ...string) string {
	t.Helper()
	dir := t.TempDir()
	args := []string{"build", "-trimpath", "-ldflags", "-E doorward_rt0", "-o", dir + "/"}
	for _, c := range commands {
		args = append(args, "doorward/cmd/"+c)
	}
	build := exec.Command("go", args...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir
}

// mapped is how much the kernel maps of a program, zeros and all, before there
// is anything that could raise a limit. It is killed if that does not fit, with
// its first stack, for which the tests leave 1 MiB.
func mapped(t *testing.T, program string) (size uint64) {
	t.Helper()
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD {
			size += p.Memsz
		}
	}
	return size
}

// limited runs a command in the way of softlimit: under soft limits of that
// many KiB, and others as small.
func limited(kib int, path string, argv ...string) *exec.Cmd {
	script := fmt.Sprintf(`ulimit -S -d %d && ulimit -S -v %[1]d && ulimit -S -s 256 && ulimit -S -l 64 && ulimit -S -n 700 && exec "$@"`, kib)
	cmd := exec.Command("/bin/sh", append([]string{"-c", script, "sh"}, argv...)...)
	cmd.Env = []string{"PATH=" + path, "RBLSMTPD=", "GOGC=5"}
	return cmd
}

// The daemon has the limits that were set before tcpserver, soft and hard, as
// if it had been started there, whatever programs are in between.
func TestSoftlimit(t *testing.T) {
	dir := withEntry(t, "tcpserver", "rblsmtpd", "tcp-env", "tcpd")
	path := dir + ":/usr/bin:/bin"
	daemon := []string{"/bin/cat", "/proc/self/limits"}
	for _, kib := range []int{8789, 49152} {
		t.Run(fmt.Sprint(kib, " KiB"), func(t *testing.T) {
			if n := mapped(t, dir+"/tcpserver"); n+1<<20 > uint64(kib)<<10 {
				t.Fatalf("needs a smaller tcpserver: it is %d KiB when loaded", n>>10)
			}
			want, err := limited(kib, path, daemon...).Output()
			if err != nil {
				t.Fatal(err)
			}
			for _, between := range []string{"", "rblsmtpd", "tcp-env", "tcpd", "rblsmtpd tcp-env tcpd"} {
				argv := append(strings.Fields(dir+"/tcpserver -1RHl0 127.0.0.1 0 "+between), daemon...)
				s := launch(t, limited(kib, path, argv...))
				if got := s.visit("127.0.0.1", ""); got != string(want) {
					t.Errorf("through %q: got\n%s\nwant\n%s%s", between, got, want, s.logged())
				}
			}
		})
	}
}

// The raised limits last: with 500 daemons at once, each of them under the
// small limits, and tcpserver collecting garbage all the time on a small stack.
func TestSoftlimitLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("needs time")
	}
	dir := withEntry(t, "tcpserver")
	const clients = 500
	kib := max(8789, int(mapped(t, dir+"/tcpserver")>>10)+1024)
	s := launch(t, limited(kib, "/usr/bin:/bin", dir+"/tcpserver", "-1RHl0", "-c", "500", "-b", "500", "127.0.0.1", "0", "/bin/cat"))
	var conns [clients]net.Conn
	for i := range conns {
		conns[i] = s.dial("127.0.0.1")
	}
	var wg sync.WaitGroup
	for i, c := range conns {
		wg.Go(func() {
			want := fmt.Sprint("client ", i)
			io.WriteString(c, want)
			got := make([]byte, len(want))
			if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
				t.Errorf("got %q, %v; want %q", got, err, want)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.Log(s.logged())
	}
}

// Behind softlimit(8) itself the daemon has the same limits under our tcpserver
// and rblsmtpd as under the originals.
func TestCompareSoftlimit(t *testing.T) {
	if os.Getenv("DOORWARD_COMPARE") != "1" {
		t.Skip("needs DOORWARD_COMPARE=1")
	}
	for _, p := range []string{"softlimit", "tcpserver", "rblsmtpd"} {
		if _, err := os.Stat(filepath.Join("/usr/bin", p)); err != nil {
			t.Skip("needs", p)
		}
	}
	dir := withEntry(t, "tcpserver", "rblsmtpd")
	for _, m := range []int{5000000, 9000000, 50000000, 4000000000} {
		if n := mapped(t, dir+"/tcpserver"); n+1<<20 > uint64(m) {
			t.Logf("not compared: -m %d is less than tcpserver when loaded, %d", m, n)
			continue
		}
		limits := func(path string) string {
			cmd := exec.Command("/usr/bin/softlimit", "-m", fmt.Sprint(m), "tcpserver", "-1RHl0", "127.0.0.1", "0", "rblsmtpd", "/bin/cat", "/proc/self/limits")
			cmd.Path, cmd.Env = "/usr/bin/softlimit", []string{"PATH=" + path, "RBLSMTPD="}
			return launch(t, cmd).visit("127.0.0.1", "")
		}
		theirs, ours := limits("/usr/bin:/bin"), limits(dir+":/usr/bin:/bin")
		if theirs != ours || theirs == "" {
			t.Errorf("-m %d: theirs\n%s\nours\n%s", m, theirs, ours)
		}
	}
}
