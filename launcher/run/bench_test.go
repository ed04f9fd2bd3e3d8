package run

import (
	"os"
	osexec "os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// smallest is the program that costs least to run, so that starting it is what
// is measured: a static one without a C library where there is a C compiler, else true.
func smallest(b *testing.B) string {
	b.Helper()
	dir := b.TempDir()
	src, bin := filepath.Join(dir, "true.c"), filepath.Join(dir, "true")
	os.WriteFile(src, []byte(`void _start(void) { __asm__("mov $60, %eax; xor %edi, %edi; syscall"); }`), 0o600)
	if osexec.Command("cc", "-static", "-nostdlib", "-o", bin, src).Run() == nil {
		return bin
	}
	b.Log("no C compiler for amd64: measuring a dynamic program")
	return "/bin/true"
}

// cpu returns the processor time of this process and its children.
func cpu() time.Duration {
	var self, children syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &self)
	syscall.Getrusage(syscall.RUSAGE_CHILDREN, &children)
	return time.Duration(self.Utime.Nano() + self.Stime.Nano() + children.Utime.Nano() + children.Stime.Nano())
}

// measure starts programs and waits for them, several at once.
func measure(b *testing.B, spawn spawner) {
	p := &Program{Path: smallest(b), Umask: new(0o22), Setsid: true}
	env := []string{"PROTO=TCP", "TCPREMOTEIP=192.0.2.7", "TCPREMOTEPORT=1025", "TCPLOCALIP=192.0.2.1", "TCPLOCALPORT=25"}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetParallelism(16)
	before := cpu()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c, err := start(spawn, p, [3]int{fds[1], fds[1], 2}, env)
			if err != nil {
				b.Error(err)
				return
			}
			c.Wait()
		}
	})
	b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-us/op")
}

func BenchmarkStartVfork(b *testing.B)    { measure(b, vforkExec) }
func BenchmarkStartForkExec(b *testing.B) { measure(b, forkExec) }
