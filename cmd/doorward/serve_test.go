package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// dumper is a service that tells its client what it was started with. Root
// must say as whom a service runs; everybody else can only be themselves.
func dumper(name string, lines ...string) string {
	if os.Getuid() == 0 && !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "user") }) {
		lines = append(lines, "user = root")
	}
	return "service " + name + `
{
	type        = UNLISTED
	socket_type = stream
	protocol    = tcp
	wait        = no
	port        = PORT
	server      = /bin/sh
	server_args = DIR/dump.sh one two
	` + strings.Join(lines, "\n\t") + "\n}\n"
}

// A daemon knows who its client is, and nothing that nobody named.
func TestEnvironment(t *testing.T) {
	t.Setenv("NAMED", "by passenv")
	t.Setenv("UNNAMED", "x")
	s, port := start(t, dumper("test", "passenv = NAMED", "env = GIVEN=by-env", "relay_from = 127.0.0.1 ::1"), nil)
	tests := []struct {
		from, to string
		want     []string
	}{
		{"127.0.0.1", "127.0.0.1", []string{"GIVEN=by-env", "NAMED=by passenv", "PROTO=TCP", "RELAYCLIENT=", "REMOTE_HOST=127.0.0.1",
			"TCP6LOCALIP=::ffff:127.0.0.1", "TCP6LOCALPORT=" + port, "TCP6REMOTEIP=::ffff:127.0.0.1", "TCP6REMOTEPORT=*",
			"TCPLOCALIP=127.0.0.1", "TCPLOCALPORT=" + port, "TCPREMOTEIP=127.0.0.1", "TCPREMOTEPORT=*"}},
		{"127.0.0.2", "127.0.0.1", []string{"GIVEN=by-env", "NAMED=by passenv", "PROTO=TCP", "REMOTE_HOST=127.0.0.2",
			"TCP6LOCALIP=::ffff:127.0.0.1", "TCP6LOCALPORT=" + port, "TCP6REMOTEIP=::ffff:127.0.0.2", "TCP6REMOTEPORT=*",
			"TCPLOCALIP=127.0.0.1", "TCPLOCALPORT=" + port, "TCPREMOTEIP=127.0.0.2", "TCPREMOTEPORT=*"}},
		{"::1", "::1", []string{"GIVEN=by-env", "NAMED=by passenv", "PROTO=TCP6", "RELAYCLIENT=", "REMOTE_HOST=::1",
			"TCP6LOCALIP=::1", "TCP6LOCALPORT=" + port, "TCP6REMOTEIP=::1", "TCP6REMOTEPORT=*",
			"TCPLOCALIP=::1", "TCPLOCALPORT=" + port, "TCPREMOTEIP=::1", "TCPREMOTEPORT=*"}},
	}
	for _, tt := range tests {
		t.Run(tt.from, func(t *testing.T) {
			got := sections(mustDial(t, tt.from, net.JoinHostPort(tt.to, port)))["env"]
			for i, e := range got {
				if name, _, _ := strings.Cut(e, "="); strings.HasSuffix(name, "REMOTEPORT") {
					got[i] = name + "=*"
				}
			}
			// PATH is doorward's own; the shell adds what shells add.
			got = slices.DeleteFunc(got, func(e string) bool { return strings.HasPrefix(e, "PATH=") || e == "" })
			slices.Sort(got)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
	s.waitFor(`test: 127\.0\.0\.1:\d+ allowed by default, may relay: pid \d+, exit 0`)
	s.waitFor(`test: 127\.0\.0\.2:\d+ allowed by default: pid \d+, exit 0`)
}

// What stands behind tcp-env finds out who its client is by itself, which it
// would not if somebody had said so. RELAYCLIENT is doorward's business.
func TestEnvironmentForTCPEnv(t *testing.T) {
	config := strings.Replace(dumper("test", "relay_from = 127.0.0.1"), "DIR/dump.sh", "DIR/tcp-env DIR/dump.sh", 1)
	_, port := start(t, config, map[string]string{"tcp-env": "exec /bin/sh \"$@\"\n"})
	env := sections(mustDial(t, "127.0.0.1", net.JoinHostPort("127.0.0.1", port)))["env"]
	if !slices.Contains(env, "RELAYCLIENT=") {
		t.Errorf("may not relay: %q", env)
	}
	if i := slices.IndexFunc(env, func(e string) bool { return strings.HasPrefix(e, "PROTO=") || strings.HasPrefix(e, "TCP") }); i >= 0 {
		t.Errorf("%s is set", env[i])
	}
}

// The connection is a plain socket on 0 and 1, the log is on 2, nothing else
// is open, and nothing of doorward's own state reaches the daemon.
func TestDescriptorsSignalsSession(t *testing.T) {
	_, port := start(t, dumper("test", "umask = 077"), nil)
	for _, to := range []string{"127.0.0.1", "::1"} {
		got := sections(mustDial(t, to, net.JoinHostPort(to, port)))
		fds := got["fds"]
		if len(fds) != 4 { // the fourth is the script the shell reads
			t.Errorf("descriptors: %q", fds)
		}
		for i, f := range fds[:2] {
			if !strings.HasPrefix(f, fmt.Sprintf("%d socket:", i)) {
				t.Errorf("descriptor %d: %q", i, f)
			}
		}
		for _, f := range got["flags"] {
			fd, flags, _ := strings.Cut(f, " ")
			if n, err := strconv.ParseInt(flags, 8, 64); fd != "2" && (err != nil || n&syscall.O_NONBLOCK != 0) {
				t.Errorf("descriptor %s has flags %s", fd, flags)
			}
		}
		if fds[2] == strings.Replace(fds[0], "0 ", "2 ", 1) {
			t.Errorf("the log is the client: %q", fds[2])
		}
		want := []string{"SigBlk:\t0000000000000000", "SigIgn:\t0000000000000000"}
		if !slices.Equal(got["signals"], want) {
			t.Errorf("signals: %q", got["signals"])
		}
		if got["umask"][0] != "0077" || got["cwd"][0] != "/" {
			t.Errorf("umask %q, directory %q", got["umask"], got["cwd"])
		}
		if pid, sid, _ := strings.Cut(got["session"][0], " "); pid != sid {
			t.Errorf("process %s is in session %s", pid, sid)
		}
		if !slices.Equal(got["argv"], []string{"one", "two"}) {
			t.Errorf("arguments: %q", got["argv"])
		}
	}
}

func TestStderrSocket(t *testing.T) {
	_, port := start(t, dumper("test", "stderr = socket"), nil)
	fds := sections(mustDial(t, "127.0.0.1", "127.0.0.1:"+port))["fds"]
	if strings.TrimPrefix(fds[2], "2 ") != strings.TrimPrefix(fds[0], "0 ") {
		t.Errorf("descriptor 2 is not the client: %q", fds)
	}
}

func TestCredentials(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	tests := []struct {
		name  string
		lines []string
		want  []string
	}{
		{"nobody", []string{"user = nobody"}, []string{"Uid:\t65534\t65534\t65534\t65534", "Gid:\t65534\t65534\t65534\t65534", "Groups:\t "}},
		{"group", []string{"user = nobody", "group = daemon"}, []string{"Uid:\t65534\t65534\t65534\t65534", "Gid:\t1\t1\t1\t1", "Groups:\t "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, port := start(t, dumper("test", tt.lines...), nil)
			if got := sections(mustDial(t, "127.0.0.1", "127.0.0.1:"+port))["ids"]; !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// hosts.allow, hosts.deny and tcprules decide together; a client that is kept
// out gets nothing, and one line in the log.
func TestRules(t *testing.T) {
	files := map[string]string{
		"hosts.allow": "sh: 127.0.0.2: setenv A allow\n",
		"hosts.deny":  "# nobody\nALL: 127.0.0.3\n",
		"tcp.smtp":    "127.0.0.4:deny\n127.0.0.2:allow,RELAYCLIENT=\".x\"\n",
	}
	s, port := start(t, dumper("test", "rules = hosts tcprules:DIR/tcp.smtp"), files)
	to := "127.0.0.1:" + port
	env := sections(mustDial(t, "127.0.0.2", to))["env"]
	if !slices.Contains(env, "A=allow") || !slices.Contains(env, "RELAYCLIENT=.x") {
		t.Errorf("environment: %q", env)
	}
	for _, from := range []string{"127.0.0.3", "127.0.0.4"} {
		if got, err := dialFrom(from, to); got != "" {
			t.Errorf("%s: got %q, %v", from, got, err)
		}
	}
	s.waitFor(`test: 127\.0\.0\.3:\d+ denied by .*/hosts\.deny:2`)
	s.waitFor(`test: 127\.0\.0\.4:\d+ denied by .*/tcp\.smtp:1`)
}

// A bad line stops its service and no other; each is named with file, line
// and word.
func TestBadConfiguration(t *testing.T) {
	config := dumper("good") + "service bad\n{\n\tport = none\n\tcolour = blue\n\tserver = /no/such/program\n}\n"
	s, port := start(t, config, nil)
	first := strings.Count(config[:strings.Index(config, "port = none")], "\n") + 1
	for i, word := range []string{"none", "colour", "/no/such/program"} {
		s.waitFor(fmt.Sprintf(`doorward\.conf:%d: .*%s`, first+i, word))
	}
	if got := mustDial(t, "127.0.0.1", "127.0.0.1:"+port); !strings.Contains(got, "== end") {
		t.Errorf("the good service answers %q", got)
	}
}

// Without any service that can run there is nothing to serve.
func TestNothingToServe(t *testing.T) {
	s, _ := prepare(t, "service bad\n{\n\tcolour = blue\n}\n", nil)
	s.run()
	<-s.done
	if code := s.cmd.ProcessState.ExitCode(); code != 1 {
		t.Errorf("exit status %d\n%s", code, s.logged())
	}
	s.waitFor(`doorward\.conf:3: .*colour`)
}

// 2,000 connections while rules are rewritten in place and SIGHUP is sent:
// none is lost, and each is judged by one whole file.
func TestReloadUnderLoad(t *testing.T) {
	rules := func(n int) string {
		return strings.Repeat("other: 192.0.2.1\n", 2000) + fmt.Sprintf("ALL: ALL: setenv A %d: setenv B %d\n", n, n)
	}
	s, port := start(t, dumper("test"), map[string]string{"hosts.allow": rules(0), "hosts.deny": "ALL: ALL\n"})
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for n := 1; ; n++ {
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
			}
			os.WriteFile(s.dir+"/hosts.allow", []byte(rules(n)), 0o644) // in place, as an editor may
			s.cmd.Process.Signal(syscall.SIGHUP)
		}
	})
	var served, changed atomic.Int32
	var clients sync.WaitGroup
	for range 64 {
		clients.Go(func() {
			for served.Add(1) <= 2000 {
				got, err := dialFrom("127.0.0.1", "127.0.0.1:"+port)
				env := sections(got)["env"]
				a, b := value(env, "A"), value(env, "B")
				if err != nil || a == "" || a != b {
					t.Errorf("lost or torn: %v, A=%q B=%q in %q", err, a, b, got)
					return
				}
				if a != "0" {
					changed.Add(1)
				}
			}
		})
	}
	clients.Wait()
	close(stop)
	writer.Wait()
	if changed.Load() == 0 {
		t.Error("no reload took effect")
	}
}

func value(env []string, name string) string {
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			return v
		}
	}
	return ""
}

// A changed file counts within a second; one that does not parse changes
// nothing, and is told of with every bad line.
func TestLiveRules(t *testing.T) {
	s, port := start(t, dumper("test"), nil)
	to := "127.0.0.1:" + port
	denied := func() bool { got, _ := dialFrom("127.0.0.1", to); return got == "" }
	within := func(what string, cond func() bool) {
		t.Helper()
		for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if cond() {
				return
			}
		}
		t.Errorf("not %s within a second", what)
	}
	s.write("hosts.deny", "ALL: ALL\n")
	within("denied", denied)
	s.write("hosts.deny", "no colon\nALL: 127.0.0.1\nnor here\n")
	s.waitFor(`hosts\.deny:1: `)
	s.waitFor(`hosts\.deny:3: `)
	if !denied() {
		t.Error("a file that does not parse let somebody in")
	}
	s.write("hosts.deny", "")
	within("allowed", func() bool { return !denied() })
}

// A service can be added, changed and removed; the sessions of a removed one
// go on.
func TestLiveServices(t *testing.T) {
	s, port := start(t, dumper("test", "env = V=1"), nil)
	to := "127.0.0.1:" + port
	c := session(t, to)
	reload := func(config string, pattern string) {
		t.Helper()
		s.write("doorward.conf", strings.NewReplacer("PORT", port, "DIR", s.dir).Replace(config))
		s.waitFor(pattern)
	}
	reload(dumper("test", "env = V=2"), `~ test`)
	if v := value(sections(mustDial(t, "127.0.0.1", to))["env"], "V"); v != "2" {
		t.Errorf("V=%s after the change", v)
	}
	reload(dumper("test", "colour = blue"), `colour`)
	if v := value(sections(mustDial(t, "127.0.0.1", to))["env"], "V"); v != "2" {
		t.Errorf("V=%s after a change that does not parse: the last good service must go on", v)
	}
	other := freePort(t)
	reload(strings.ReplaceAll(dumper("other"), "PORT", other), `- test`)
	if _, err := dialFrom("127.0.0.1", to); err == nil {
		t.Error("the removed service still answers")
	}
	if got := mustDial(t, "127.0.0.1", "127.0.0.1:"+other); !strings.Contains(got, "== end") {
		t.Errorf("the added service answers %q", got)
	}
	c.finish(t)
}

// As the first process of a container doorward gets every process whose
// parent has ended, and waits for them as for its own.
func TestFirstProcess(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	s, port := prepare(t, dumper("test"), map[string]string{"dump.sh": "(sleep 0.1 &); echo done\n"})
	s.command()
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}
	s.launch()
	s.waitFor("serving")
	for range 20 {
		if got := mustDial(t, "127.0.0.1", net.JoinHostPort("127.0.0.1", port)); got != "done\n" {
			t.Fatalf("got %q", got)
		}
	}
	for end := time.Now().Add(5 * time.Second); children(s.cmd.Process.Pid) != ""; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still there: %s", children(s.cmd.Process.Pid))
		}
	}
}

// children returns the numbers of the children of a process.
func children(pid int) (all string) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, l := range lists {
		text, _ := os.ReadFile(l)
		all += string(text)
	}
	return all
}

// SIGTERM lets a session finish, and nobody else in.
func TestDrain(t *testing.T) {
	s, port := start(t, dumper("test"), nil)
	c := session(t, "127.0.0.1:"+port)
	s.signal(syscall.SIGTERM)
	s.waitFor(`waiting for 1 session`)
	if _, err := dialFrom("127.0.0.1", "127.0.0.1:"+port); err == nil {
		t.Error("a connection after SIGTERM")
	}
	select {
	case <-s.done:
		t.Fatal("did not wait")
	case <-time.After(100 * time.Millisecond):
	}
	c.finish(t)
	<-s.done
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit status %d", code)
	}
}

// -drain bounds that, and says whom it leaves behind.
func TestDrainBound(t *testing.T) {
	s, port := start(t, dumper("test"), nil, "-drain", "100ms")
	c := session(t, "127.0.0.1:"+port)
	s.signal(syscall.SIGTERM)
	<-s.done
	s.waitFor(`1 session.* still running`)
	c.finish(t)
}

// instances makes clients wait; nobody is turned away.
func TestInstances(t *testing.T) {
	s, port := start(t, dumper("test", "instances = 1"), nil)
	c := session(t, "127.0.0.1:"+port)
	s.waitFor(`test: full: 1 running`)
	got := make(chan string)
	go func() { s, _ := dialFrom("127.0.0.1", "127.0.0.1:"+port); got <- s }()
	select {
	case s := <-got:
		t.Fatalf("a second session at once: %q", s)
	case <-time.After(100 * time.Millisecond):
	}
	c.finish(t)
	if s := <-got; !strings.Contains(s, "== end") {
		t.Errorf("the one who waited got %q", s)
	}
}

// A held is a connection whose daemon runs until its client hangs up.
type held struct{ c net.Conn }

func session(t *testing.T, to string) held {
	t.Helper()
	c, err := net.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	b := make([]byte, 7)
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Read(b); err != nil { // it runs
		t.Fatal(err)
	}
	return held{c}
}

func (h held) finish(t *testing.T) { h.c.Close() }

// Sockets that systemd passes are found by name, then by port; one that
// nobody wants is an error.
func TestPassedSockets(t *testing.T) {
	tests := []struct {
		name, fdname string
		port         string // in the configuration; empty: that of the socket
		ok           bool
	}{
		{"by name, whatever the port", "test", "1", true},
		{"by port", "LISTEN_FD_3", "", true},
		{"nobody's", "stranger", "1", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			f, err := l.(*net.TCPListener).File()
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			_, port, _ := net.SplitHostPort(l.Addr().String())
			s, _ := prepare(t, strings.ReplaceAll(dumper("test"), "PORT", or(tt.port, port)), nil)
			s.runWithSocket(f, tt.fdname)
			if !tt.ok {
				s.waitFor(`stranger.*no service`)
				<-s.done
				if s.cmd.ProcessState.ExitCode() == 0 {
					t.Error("exit status 0")
				}
				return
			}
			s.waitFor(`serving`)
			if got := mustDial(t, "127.0.0.1", l.Addr().String()); !strings.Contains(got, "== end") {
				t.Errorf("got %q", got)
			}
		})
	}
}

func or(s, otherwise string) string {
	if s != "" {
		return s
	}
	return otherwise
}

// runWithSocket is run with a socket as systemd passes it. LISTEN_PID must be
// doorward's own, which only a shell that becomes doorward knows beforehand.
func (s *server) runWithSocket(f *os.File, name string) {
	s.t.Helper()
	s.command()
	s.cmd.Path = "/bin/sh"
	s.cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ exec "$@"`, "sh"}, s.cmd.Args...)
	s.cmd.Env = append(s.cmd.Env, "LISTEN_FDS=1", "LISTEN_FDNAMES="+name)
	s.cmd.ExtraFiles = []*os.File{f}
	s.launch()
}

// The service manager hears when doorward is ready, reloads, stops, and that
// it lives.
func TestNotify(t *testing.T) {
	path := t.TempDir() + "/notify"
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "200000")
	s, _ := start(t, dumper("test"), nil)
	hear := func(want string) {
		t.Helper()
		l.SetReadDeadline(time.Now().Add(5 * time.Second))
		b := make([]byte, 4096)
		for {
			n, err := l.Read(b)
			if err != nil {
				t.Fatalf("never heard %q: %v", want, err)
			}
			if strings.Contains(string(b[:n]), want) {
				return
			}
		}
	}
	hear("READY=1\nSTATUS=")
	hear("WATCHDOG=1")
	s.signal(syscall.SIGHUP)
	hear("RELOADING=1\nMONOTONIC_USEC=")
	hear("READY=1")
	s.signal(syscall.SIGTERM)
	hear("STOPPING=1")
}
