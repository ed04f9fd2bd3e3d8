//go:build linux

package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"doorward/cmd/internal/sandbox"
)

// theirs is where Debian has the original.
const theirs = "/usr/bin/rblsmtpd"

// zones is what rbldnsd serves, as zone:type: file.
var zones = map[string]string{
	"rbl.example:ip4set":    ":127.0.0.2:Listed, see http://rbl.example/$\n192.0.2.7\n198.51.100.0/24\n127.0.0.2\n",
	"rbl.example:ip6trie":   ":127.0.0.2:Listed: $\n2001:db8:bad::/48\n",
	"white.example:ip4set":  ":127.0.0.2:good\n192.0.2.7\n",
	"odd.example:generic":   "7.2.0.192 TXT \"caf\xc3\xa9 \x01\ttab\"\n",
	"aonly.example:generic": "7.2.0.192 A 127.0.0.2\n",
	"zen.example:ip4set":    ":127.255.255.254:query refused\n0/0\n",
}

// The same list, the same client: ours and Debian's ask the same questions of
// rbldnsd and give the same dialogue. A zone that rbldnsd does not have is
// refused by it, a failure.
func TestCompareRblsmtpd(t *testing.T) {
	if os.Getenv("DOORWARD_COMPARE") != "1" {
		t.Skip("needs DOORWARD_COMPARE=1")
	}
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	for _, program := range []string{theirs, "/usr/sbin/rbldnsd"} {
		if _, err := os.Stat(program); err != nil {
			t.Skip("needs", program)
		}
	}
	ourselves, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ client, line, why string }{
		{"192.0.2.7", "-r rbl.example", "listed"},
		{"192.0.2.8", "-r rbl.example", "not listed"},
		{"198.51.100.255", "-b -r rbl.example", "listed, for good"},
		{"192.0.2.7", "-r rbl.example -b", "-b too late"},
		{"192.0.2.7", "-r aonly.example -b -r rbl.example", "an address is no listing"},
		{"192.0.2.7", "-a white.example -r rbl.example", "let past"},
		{"192.0.2.8", "-a white.example -r rbl.example", "not let past"},
		{"192.0.2.7", "-r rbl.example -a white.example", "let past too late"},
		{"192.0.2.7", "-r odd.example", "an odd text"},
		{"192.0.2.8", "-r zen.example", "a list that refuses, taken for a listing by both"},
		{"192.0.2.7", "-t0 -r rbl.example", "at once"},
		{"192.0.2.7", "-r .rbl..example.", "dots too many"},
		{"192.0.2", "-r rbl.example", "half an address"},
		{"", "-r rbl.example", "no address"},
		{"192.0.2.7", "-b -r none.invalid -r rbl.example", "after a failure nothing is for good"},
		{"192.0.2.7", "-c -r none.invalid -r rbl.example", "a failure refuses"},
		{"192.0.2.7", "-c -a none.invalid -r rbl.example", "a failure lets nobody past"},
	}
	a, b := make([]string, len(tests)), make([]string, len(tests))
	both(func() {
		inNetworkOfItsOwn(t, func(l *rbldnsd) {
			for i, tt := range tests {
				a[i] = l.observe(t, theirs, tt.client, tt.line)
			}
		})
	}, func() {
		inNetworkOfItsOwn(t, func(l *rbldnsd) {
			for i, tt := range tests {
				b[i] = l.observe(t, ourselves, tt.client, tt.line)
			}
		})
	})
	for i, tt := range tests {
		if a[i] != b[i] || a[i] == "" {
			t.Errorf("%s: %s %s\ntheirs: %s\nours:   %s", tt.why, tt.client, tt.line, a[i], b[i])
		}
	}
}

// By design an IPv6 client is asked for by its nibbles, and codes behind a
// zone tell a listing from a list that refuses to answer.
func TestCompareRblsmtpdBeyondTheOriginal(t *testing.T) {
	if os.Getenv("DOORWARD_COMPARE") != "1" || os.Getuid() != 0 {
		t.Skip("needs root and DOORWARD_COMPARE=1")
	}
	if _, err := os.Stat("/usr/sbin/rbldnsd"); err != nil {
		t.Skip("needs rbldnsd")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ client, line, want string }{
		{"2001:db8:bad::7", "-t0 -r rbl.example", "451 Listed: 2001:db8:bad::7"},
		{"2001:db8::7", "-t0 -r rbl.example", "passed"},
		{"::ffff:192.0.2.7", "-t0 -r rbl.example", "451 Listed, see http://rbl.example/192.0.2.7"},
		{"192.0.2.8", "-t0 -r zen.example=127.0.0.[2..11]", "passed"},
		{"192.0.2.7", "-t0 -b -r rbl.example=127.0.0.[2..11]", "553 Listed, see http://rbl.example/192.0.2.7"},
	}
	inNetworkOfItsOwn(t, func(l *rbldnsd) {
		for _, tt := range tests {
			if got := l.observe(t, self, tt.client, tt.line); !strings.Contains(got, tt.want) {
				t.Errorf("%s %s: %s, want %q", tt.client, tt.line, got, tt.want)
			}
		}
	})
}

// both runs two functions side by side: most of their time is waiting.
func both(f, g func()) {
	done := make(chan bool)
	go func() { defer close(done); f() }()
	g()
	<-done
}

// rbldnsd is a running rbldnsd, the only thing on its network.
type rbldnsd struct {
	log  string // file of the questions
	read int    // bytes of it that were looked at
}

// inNetworkOfItsOwn runs f, and rbldnsd on 127.0.0.1:53 for it, in a network
// namespace. $DNSCACHEIP names addresses but no ports.
func inNetworkOfItsOwn(t *testing.T, f func(*rbldnsd)) {
	dir := t.TempDir()
	done := make(chan bool)
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with its namespace
		if err := enterNetwork(); err != nil {
			t.Error("network namespace:", err)
			return
		}
		l, stop, err := startRbldnsd(dir)
		if err != nil {
			t.Error("rbldnsd:", err)
			return
		}
		defer stop()
		f(l)
	}()
	<-done
}

// enterNetwork moves this thread to a new network where only loopback is up.
func enterNetwork() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return err
	}
	return sandbox.LoopbackUp()
}

func startRbldnsd(dir string) (l *rbldnsd, stop func(), err error) {
	// rbldnsd gives root up, and has to read and write there all the same.
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o777); err != nil {
			return nil, nil, err
		}
	}
	l = &rbldnsd{log: filepath.Join(dir, "log")}
	args := []string{"-n", "-f", "-q", "-l", "+" + l.log, "-b", "127.0.0.1/53"}
	for zone, text := range zones {
		file := filepath.Join(dir, strings.ReplaceAll(zone, ":", "_"))
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return nil, nil, err
		}
		args = append(args, zone+":"+file)
	}
	cmd := exec.Command("/usr/sbin/rbldnsd", args...)
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	stop = func() { cmd.Process.Kill(); cmd.Wait() }
	for range 100 {
		if ready() {
			return l, stop, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	stop()
	return nil, nil, fmt.Errorf("not ready after 2 s")
}

// ready reports whether something is bound to port 53.
func ready() bool {
	c, err := net.ListenPacket("udp", "127.0.0.1:53")
	if err == nil {
		c.Close()
	}
	return err != nil
}

// observe returns in one line what rblsmtpd says, logs and asks.
func (l *rbldnsd) observe(t *testing.T, program, client, line string) string {
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(program, append(strings.Fields(line), "echo", "passed")...)
	cmd.Env = []string{"RBLSMTPD_TEST=1", path, "DNSCACHEIP=127.0.0.1", "TCPREMOTEIP=" + client}
	cmd.Stdin = strings.NewReader("HELO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n\r\nquit\r\n")
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	return fmt.Sprintf("exit %v, %q, log %q, asked %v", err, stdout.String(), pid.ReplaceAllString(stderr.String(), "pid PID"), l.questions(t))
}

// questions returns name and type of each question that was not seen before.
func (l *rbldnsd) questions(t *testing.T) (asked []string) {
	text, err := os.ReadFile(l.log)
	if err != nil && !os.IsNotExist(err) {
		t.Error(err)
	}
	fresh := string(text[min(l.read, len(text)):])
	l.read = len(text)
	for line := range strings.Lines(fresh) {
		if f := strings.Fields(line); len(f) > 3 { // time, client, name, type, class ...
			asked = append(asked, f[2]+" "+f[3])
		}
	}
	return asked
}
