package run

import (
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"os/signal"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"doorward/launcher/run/internal/entry"
)

// The test binary is also the program that the tests start: with DUMP in its
// environment it tells on descriptor 1 what it was given.
func TestMain(m *testing.M) {
	if what := os.Getenv("DUMP"); what != "" {
		programs[what]()
		os.Exit(0)
	}
	// Whoever runs the tests may have left descriptors open; the programs that
	// doorward starts must not get even those, which is package activation's work.
	unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	os.Exit(m.Run())
}

var programs = map[string]func(){
	"state":     func() { os.Stdout.WriteString(state()) },
	"exec":      exec,
	"ignore":    ignore,
	"nogroups":  nogroups,
	"nogroups2": nogroups2,
	"lowlimit":  lowlimit,
	"nohup":     nohup,
	"noclone3":  noclone3,
	"forbidden": forbidden,
}

// exec becomes another program, with settings of all kinds.
func exec() {
	p := self("state")
	p.Umask, p.Dir, p.Nice = new(0o31), "/", 3
	p.Limits = []Limit{{unix.RLIMIT_CPU, 100, 200}}
	fmt.Println(p.Exec([]string{"DUMP=state", "A=b"}))
}

// ignore starts children while signals are ignored and blocked. cat is not a
// Go program, which would have handlers of its own.
func ignore() {
	signal.Ignore(syscall.SIGPIPE, syscall.SIGHUP, syscall.SIGUSR1)
	runtime.LockOSThread()
	unix.PthreadSigmask(unix.SIG_BLOCK, &unix.Sigset_t{Val: [16]uint64{1<<9 | 1<<11}}, nil)
	catchIgnored()
	for name, spawn := range spawners {
		out, err := output(spawn, &Program{Path: "/bin/cat", Argv: []string{"cat", "/proc/self/status"}}, nil)
		fmt.Println(name, err)
		fmt.Print(out)
	}
}

// nohup becomes a program where SIGHUP was ignored, after a command of spawn.
func nohup() {
	signal.Ignore(syscall.SIGHUP)
	h := Handover{Program: Program{Path: "/bin/cat", Argv: []string{"cat", "/proc/self/status"}}}
	fmt.Println(h.spawn("exit 0", nil), h.Warnings)
	fmt.Println(h.Program.Exec(nil))
}

// nogroups tries to start children that change users, without the capability
// to set groups: what exec finds missing from the bounding set, not even root
// gets back.
func nogroups() {
	runtime.LockOSThread()
	err := unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_SETGID, 0, 0, 0)
	fmt.Println(err, syscall.Exec(self("").Path, []string{"self"}, []string{"DUMP=nogroups2"}))
}

func nogroups2() {
	p := self("state")
	p.Cred = &Credential{UID: 65534, GID: 65534}
	for name, spawn := range spawners {
		out, err := output(spawn, p, []string{"DUMP=state"})
		fmt.Println(name, err, out)
	}
}

// noclone3 starts a program where clone3 is forbidden, as by the seccomp
// profiles of older container managers.
func noclone3() {
	runtime.LockOSThread()
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the number of the system call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_CLONE3, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	_, _, errno := syscall.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&prog)))
	fmt.Println(errno, syscall.Exec(self("").Path, []string{"self"}, []string{"DUMP=forbidden"}))
}

func forbidden() {
	for range 2 {
		out, err := output(spawn, self("state"), []string{"DUMP=state"})
		fmt.Println(err, haveVfork(), strings.Contains(out, "Umask"))
	}
}

// lowlimit starts children where the soft limit of open files was 77 when
// this process began.
func lowlimit() {
	for name, spawn := range spawners {
		out, err := output(spawn, &Program{Path: "/bin/sh", Argv: []string{"sh", "-c", "ulimit -n"}}, nil)
		fmt.Println(name, err, out)
	}
}

// spawners are the two ways to start a program; where the fast one is built
// out, it is the plain one once more.
var spawners = map[string]spawner{"vfork": vforkExec, "forkexec": forkExec}

// self is this test binary as a program that does what.
func self(what string) *Program {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return &Program{Path: exe, Argv: []string{"self", what}}
}

// connection returns the two ends of a TCP connection: a daemon's, as a
// listener of package sock would hand it out, and the client's.
func connection() (daemon int, client net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer l.Close()
	f, _ := l.(*net.TCPListener).File()
	defer f.Close()
	client, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		panic(err)
	}
	unix.SetNonblock(int(f.Fd()), false)
	daemon, _, err = unix.Accept4(int(f.Fd()), unix.SOCK_CLOEXEC)
	if err != nil {
		panic(err)
	}
	return daemon, client
}

// output starts p on a connection and returns what the client gets.
func output(spawn spawner, p *Program, env []string) (string, error) {
	fd, client := connection()
	defer client.Close()
	stderr := fd
	if p.Stderr != StderrSocket {
		stderr = 2
	}
	catchIgnored()
	c, err := start(spawn, p, [3]int{fd, fd, stderr}, env)
	unix.Close(fd)
	if err != nil {
		return "", err
	}
	out, err := io.ReadAll(client)
	if _, waited := c.Wait(); err == nil {
		err = waited
	}
	return string(out), err
}

// state describes this process as it began, a line for each thing.
func state() string {
	var b strings.Builder
	status, _ := os.ReadFile("/proc/thread-self/status")
	for _, line := range strings.Split(string(status), "\n") {
		name, value, _ := strings.Cut(line, ":")
		switch name {
		case "Umask", "Uid", "Gid", "Groups":
			fmt.Fprintf(&b, "%s %s\n", name, strings.Join(strings.Fields(value), " "))
		}
	}
	cwd, _ := os.Getwd()
	sid, _ := unix.Getsid(0)
	nice, _ := niceness()
	nofile, _ := entry.Original(unix.RLIMIT_NOFILE)
	fmt.Fprintf(&b, "cwd %s\nsession %t\nnice %d\nnofile %d\n", cwd, sid == os.Getpid(), nice, nofile)
	var cpu syscall.Rlimit
	syscall.Getrlimit(syscall.RLIMIT_CPU, &cpu)
	fmt.Fprintf(&b, "cpu %d %d\n", int64(cpu.Cur), int64(cpu.Max))
	env := os.Environ()
	sort.Strings(env)
	fmt.Fprintf(&b, "env %q\nargs %q\n", env, os.Args)
	b.WriteString(descriptors())
	return b.String()
}

// descriptors lists what is open, apart from what Go opens for itself.
func descriptors() string {
	var b strings.Builder
	names, _ := os.ReadDir("/proc/self/fd")
	for _, n := range names {
		target, err := os.Readlink("/proc/self/fd/" + n.Name())
		if err != nil || strings.HasPrefix(target, "anon_inode:[event") || strings.HasPrefix(target, "/sys/fs/cgroup/") {
			continue
		}
		fd, _ := strconv.Atoi(n.Name())
		flags, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		target, _, _ = strings.Cut(target, ":[")
		fmt.Fprintf(&b, "fd %d %s nonblock=%t\n", fd, target, flags&unix.O_NONBLOCK != 0)
	}
	return b.String()
}
