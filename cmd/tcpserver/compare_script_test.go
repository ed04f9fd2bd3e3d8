package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// runScript is what users have; only PATH says whose programs it runs.
const runScript = `#!/bin/sh
tcprules rules.cdb rules.tmp <rules || exit 1
exec softlimit -m 4000000000 \
tcpserver -v -R -H -l mx.example.net -x rules.cdb -c 2 -u 65534 -g 65534 0 "$PORT" \
rblsmtpd /bin/sh -c 'env | grep -vE "^(_|PWD|OLDPWD|SHLVL|PATH)=" | sort; echo end; cat >/dev/null; exit 3' 2>&1
`

const scriptRules = `127.0.0.1:allow,RELAYCLIENT="",RBLSMTPD=""
127.0.0.2:allow,RBLSMTPD="-go away"
127.0.0.3:allow,RBLSMTPD="come back later"
127.0.0.4:deny
::1:allow,RBLSMTPD="",A="six"
:deny
`

// One run script, with the originals first in PATH and with ours: what each
// program hears, what each client is told, the log as multilog keeps it, how
// clients wait at the limit and how it ends are the same.
//
// By design differ: the numbers in the lines about a client that is kept out,
// which has no process (numbers are not compared); and the place of what a
// program logs at its very start, which may come before the line that says it
// was started: the original writes that line in the process that becomes the
// program, ours once the program runs. The two are compared each by itself.
func TestCompareRunScript(t *testing.T) {
	if os.Getenv("DOORWARD_COMPARE") != "1" {
		t.Skip("needs DOORWARD_COMPARE=1")
	}
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	for _, p := range []string{"/usr/bin/tcpserver", "/usr/bin/rblsmtpd", "/usr/bin/tcprules", "/usr/bin/softlimit", "/usr/bin/multilog"} {
		if _, err := os.Stat(p); err != nil {
			t.Skip("needs", p)
		}
	}
	ours := os.Getenv("DOORWARD_BIN")
	if ours == "" {
		ours = t.TempDir()
		build := exec.Command("go", "build", "-o", ours, "doorward/cmd/tcpserver", "doorward/cmd/rblsmtpd", "doorward/cmd/tcprules")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	for _, dir := range []string{ours, filepath.Dir(ours)} {
		os.Chmod(dir, 0o755) // they run as nobody
	}
	theirs, got := observeScript(t, "/usr/bin:/bin"), observeScript(t, ours+":/usr/bin:/bin")
	for what, want := range theirs {
		if got[what] != want {
			t.Errorf("%s:\ntheirs %s\nours   %s", what, want, got[what])
		}
	}
	t.Logf("%d observations compared, log of %d lines", len(theirs), strings.Count(theirs["log"], "\n"))
}

// quietPort returns a port that nobody has, of those that the kernel gives to
// nobody by itself: the script binds it on every address.
func quietPort(t *testing.T) string {
	t.Helper()
	for p := 20000 + os.Getpid()%10000; p < 32000; p++ {
		if l, err := net.Listen("tcp", fmt.Sprintf(":%d", p)); err == nil {
			l.Close()
			return fmt.Sprint(p)
		}
	}
	t.Fatal("every port is taken")
	return ""
}

// observeScript runs the script and returns what could be seen.
func observeScript(t *testing.T, path string) map[string]string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		os.Chmod(d, 0o755)
	}
	write(t, dir+"/rules", scriptRules)
	port := quietPort(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	log := exec.Command("multilog", dir+"/log")
	log.Stdin = r
	script := exec.Command("/bin/sh", "-c", runScript)
	script.Dir, script.Stdout = dir, w
	script.Env = []string{"PATH=" + path, "PORT=" + port, "TCPREMOTEHOST=inherited"}
	for _, cmd := range []*exec.Cmd{log, script} {
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	r.Close()
	s := &server{t: t, cmd: script, log: dir + "/log/current", port: port, done: make(chan struct{})}
	go func() { script.Wait(); close(s.done) }()
	t.Cleanup(func() { script.Process.Kill(); <-s.done; log.Process.Kill(); log.Wait() })

	s.waitFor(`status: 0/2\n`)
	seen := s.clients()
	script.Process.Signal(syscall.SIGTERM)
	<-s.done
	log.Wait() // ends with the last writer
	seen["exit"] = script.ProcessState.String()
	seen["log"], seen["log of rblsmtpd"] = apart(normal(s.logged(), port))
	return seen
}

// apart takes the lines of rblsmtpd out of a log.
func apart(log string) (tcpserver, rblsmtpd string) {
	for line := range strings.Lines(log) {
		if strings.HasPrefix(line, "rblsmtpd: ") {
			rblsmtpd += line
		} else {
			tcpserver += line
		}
	}
	return tcpserver, rblsmtpd
}

// clients has clients come one after the other.
func (s *server) clients() map[string]string {
	seen := map[string]string{}
	const mail = "HELO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nQUIT\r\n"
	for n, v := range []struct{ name, from, input string }{
		{"relay", "127.0.0.1", ""}, {"refused for good", "127.0.0.2", mail}, {"refused for now", "127.0.0.3", mail},
		{"denied", "127.0.0.4", ""}, {"without a rule", "127.0.0.5", ""},
	} {
		seen[v.name] = normal(s.visit(v.from, v.input), s.port)
		s.waitFor(fmt.Sprintf(`(?s)(end.*){%d}status: 0/2\n`, n+1))
	}
	if c, err := net.Dial("tcp", "[::1]:"+s.port); err == nil {
		c.(*net.TCPConn).CloseWrite()
		b, _ := io.ReadAll(c)
		c.Close()
		seen["IPv6"] = normal(string(b), s.port)
		s.waitFor(`(?s)(end.*){6}status: 0/2\n`)
	}
	if seen["at the limit"] = s.atLimit(); strings.Contains(seen["at the limit"], "false") {
		s.t.Error(seen["at the limit"])
	}
	s.waitFor(`(?s)status: 2/2.*status: 0/2\n$`)
	return seen
}

// atLimit has three clients come, one after the other, where two may be
// served. What they are sent is read before they leave: they would be reset
// otherwise, and the daemon would say so in the log.
func (s *server) atLimit() string {
	first := s.dial("127.0.0.1")
	served := untilEnd(first)
	second := s.dial("127.0.0.1")
	served = untilEnd(second) && served
	third := s.dial("127.0.0.1")
	third.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	n, err := third.Read(make([]byte, 1))
	waits := n == 0 && os.IsTimeout(err)
	first.Close()
	third.SetReadDeadline(time.Now().Add(10 * time.Second))
	then := untilEnd(third)
	third.Close()
	s.waitFor(`(?s)status: 2/2.*status: 2/2.*status: 1/2\n$`)
	second.Close()
	return fmt.Sprintf("two served: %v, the third waits: %v, and is served then: %v", served, waits, then)
}

func untilEnd(c net.Conn) bool {
	lines := bufio.NewScanner(c)
	for lines.Scan() {
		if lines.Text() == "end" {
			return true
		}
	}
	return false
}

var (
	processes = regexp.MustCompile(`(pid|ok|deny|end) \d+`)
	ports     = regexp.MustCompile(`(PORT=|[0-9]::)\d+\n`)
)

// normal makes what differs from run to run the same.
func normal(text, port string) string {
	text = processes.ReplaceAllString(strings.ReplaceAll(text, port, "SERVED"), "$1 PID")
	return ports.ReplaceAllString(text, "${1}N\n")
}
