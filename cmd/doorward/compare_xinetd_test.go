//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
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

// With this variable set the test binary is a program that takes a whole
// socket: two datagrams or connections, then it ends.
const takeSocket = "DOORWARD_TEST_TAKE_SOCKET"

func init() {
	if os.Getenv(takeSocket) == "" {
		return
	}
	defer os.Exit(0)
	if pc, err := net.FilePacketConn(os.Stdin); err == nil {
		b := make([]byte, 100)
		for range 2 {
			n, from, _ := pc.ReadFrom(b)
			pc.WriteTo(append([]byte("heard "), b[:n]...), from)
		}
		return
	}
	l, err := net.FileListener(os.Stdin)
	if err != nil {
		return
	}
	for range 2 {
		c, _ := l.Accept()
		io.WriteString(c, "accepted by the program")
		c.Close()
	}
}

// xinetdServices are files of the kinds that xinetd is used for. BACKEND is a
// server that answers, SELF the program above.
const xinetdServices = `defaults
{
	log_type       = FILE DIR/LOG
	log_on_success = PID HOST EXIT DURATION
	log_on_failure = HOST
}
service jail
{
	type        = UNLISTED
	socket_type = stream
	protocol    = tcp
	wait        = no
	user        = nobody
	flags       = IPv4 REUSE NODELAY
	bind        = 127.0.0.1
	port        = 7001
	server      = /bin/sh
	server_args = DIR/jail.sh a b
	env         = FLAG=x
	per_source  = 2
	rlimit_cpu  = 20
	rlimit_as   = 512M
	rlimit_files = 64
	nice        = 5
	umask       = 027
}
service banner
{
	type        = UNLISTED
	socket_type = stream
	protocol    = tcp
	wait        = no
	user        = root
	flags       = IPv4
	port        = 7002
	server      = /bin/cat
	only_from   = 127.0.0.1
	banner         = DIR/hello
	banner_success = DIR/welcome
	banner_fail    = DIR/sorry
}
service redirect
{
	type        = UNLISTED
	socket_type = stream
	protocol    = tcp
	wait        = no
	user        = root
	flags       = IPv4
	port        = 7003
	redirect    = 127.0.0.1 BACKEND
}
service lent
{
	type        = UNLISTED
	socket_type = stream
	protocol    = tcp
	wait        = yes
	user        = root
	flags       = IPv4
	port        = 7004
	env         = DOORWARD_TEST_TAKE_SOCKET=1
	server      = SELF
}
service datagrams
{
	type        = UNLISTED
	socket_type = dgram
	protocol    = udp
	wait        = yes
	user        = root
	flags       = IPv4
	port        = 7005
	only_from   = 127.0.0.1
	env         = DOORWARD_TEST_TAKE_SOCKET=1
	server      = SELF
}
service closed
{
	type        = UNLISTED
	socket_type = stream
	protocol    = tcp
	wait        = no
	user        = root
	flags       = IPv4
	port        = 7006
	server      = /bin/cat
	access_times = 0:00-0:01 0:02-0:03
	banner_fail = DIR/sorry
}
` + small

const small = `service echo
{
	type        = INTERNAL UNLISTED
	socket_type = stream
	protocol    = tcp
	wait        = no
	user        = root
	flags       = IPv4
	port        = 7
}
service daytime
{
	type        = INTERNAL UNLISTED
	socket_type = stream
	protocol    = tcp
	wait        = no
	user        = root
	flags       = IPv4
	port        = 13
}
service time
{
	type        = INTERNAL UNLISTED
	socket_type = stream
	protocol    = tcp
	wait        = no
	user        = root
	flags       = IPv4
	port        = 37
}
service chargen
{
	type        = INTERNAL UNLISTED
	socket_type = stream
	protocol    = tcp
	wait        = no
	user        = root
	flags       = IPv4
	port        = 19
}
service discard
{
	type        = INTERNAL UNLISTED
	socket_type = stream
	protocol    = tcp
	wait        = no
	user        = root
	flags       = IPv4
	port        = 9
}
`

// jail says what it was started with, and stays until its client goes.
const jail = `echo "$(id -u) $(id -g) $(id -G) $(pwd) $(umask) $(ulimit -t) $(ulimit -v) $(ulimit -n) $(nice)"
echo "$* $FLAG $REMOTE_HOST"
grep -E 'Sig(Blk|Ign)' /proc/self/status
for fd in 0 1; do readlink /proc/$$/fd/$fd | sed 's/[0-9]*//g'; done
for fd in /proc/$$/fd/*; do printf '%s ' ${fd##*/}; done
echo end
cat
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
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	real := playScenes(t, func(dir string) *exec.Cmd {
		return exec.Command("xinetd", "-f", dir+"/conf", "-dontfork", "-filelog", dir+"/program.log", "-pidfile", dir+"/pid")
	})
	ours := playScenes(t, func(dir string) *exec.Cmd {
		cmd := exec.Command(self, "serve", "-config", dir+"/conf")
		cmd.Env = append(os.Environ(), actAsDoorward+"=1")
		return cmd
	})
	same := 0
	for i := range real {
		if real[i] == ours[i] {
			same++
			continue
		}
		t.Errorf("%s\nxinetd:   %q\ndoorward: %q", real[i].name, real[i].saw, ours[i].saw)
	}
	t.Logf("conformance xinetd services: %d of %d", same, len(real))
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

// A scene is something that a client, a program or a log sees.
type scene struct{ name, saw string }

// playScenes starts a program on the services, and has every scene played.
func playScenes(t *testing.T, program func(dir string) *exec.Cmd) []scene {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "xinetd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	backend := answering(t)
	conf := strings.NewReplacer("DIR/LOG", dir+"/service.log", "DIR", dir, "BACKEND", backend, "SELF", self).Replace(xinetdServices)
	for name, text := range map[string]string{"conf": conf, "jail.sh": jail, "hello": "hello\n", "welcome": "welcome\n", "sorry": "sorry\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := program(dir)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Signal(syscall.SIGTERM)
	waitForPort(t, "127.0.0.1:7006")
	scenes := clients(t)
	time.Sleep(300 * time.Millisecond) // for the last line of the log
	return append(scenes, logScenes(dir+"/service.log")...)
}

// answering returns the port of a server that answers each line.
func answering(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b := make([]byte, 100)
			n, _ := c.Read(b)
			fmt.Fprintf(c, "answer to %s", b[:n])
			c.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func waitForPort(t *testing.T, addr string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", addr); err == nil {
			io.ReadAll(c)
			c.Close()
			return
		}
	}
	t.Fatal("nobody listens on", addr)
}

// clients plays the scenes of the clients.
func clients(t *testing.T) (all []scene) {
	see := func(name, saw string) { all = append(all, scene{name, saw}) }
	first, hold1 := linger(t, 7001, "end\n")
	second, hold2 := linger(t, 7001, "end\n")
	see("a jail's program", first)
	see("a jail's second client", second)
	see("a jail's third client of one address", converse("127.0.0.1", 7001, "", true))
	hangUp(hold1)
	hangUp(hold2)
	see("banners of a client that is let in", converse("127.0.0.1", 7002, "text\n", true))
	see("banners of a client that is kept out", converse("127.0.0.3", 7002, "", true))
	see("a banner outside of access_times", converse("127.0.0.1", 7006, "", true))
	see("a redirect", converse("127.0.0.1", 7003, "question\n", false))
	for range 4 { // nobody is left with a program, nor a program without its two clients
		see("a program that accepts itself", converse("127.0.0.1", 7004, "", false))
	}
	for _, from := range []string{"127.0.0.1", "127.0.0.1", "127.0.0.3", "127.0.0.1", "127.0.0.1"} {
		see("a datagram from "+from, ask(from, 7005, "x"))
	}
	echoed, hold := linger(t, 7, "hello")
	see("echo", echoed)
	hold.Close()
	see("discard", converse("127.0.0.1", 9, "hello", true))
	see("daytime", regexp.MustCompile(`\d`).ReplaceAllString(converse("127.0.0.1", 13, "", false), "0"))
	if b := []byte(converse("127.0.0.1", 37, "", false)); len(b) == 4 {
		off := int64(binary.BigEndian.Uint32(b)) - 2208988800 - time.Now().Unix()
		see("time", fmt.Sprint(off >= -2 && off <= 2))
	}
	lines, hold3 := linger(t, 19, "\r\n8")
	see("the first lines of chargen", lines[:20*74])
	hold3.Close()
	return all
}

// converse sends text and returns what comes until the end. With end it ends its
// side, so that a program that reads hears of it.
func converse(from string, port int, text string, end bool) string {
	c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return "" // a reset may be faster than the dial
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	io.WriteString(c, text)
	if end {
		time.Sleep(50 * time.Millisecond) // what ends before it is looked at may be reset
		c.(*net.TCPConn).CloseWrite()
	}
	b, _ := io.ReadAll(c) // a reset is an end, too
	return string(b)
}

// linger says hello, reads up to a text, and stays.
func linger(t *testing.T, port int, until string) (string, net.Conn) {
	t.Helper()
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(5 * time.Second))
	io.WriteString(c, "hello")
	var all []byte
	for b := make([]byte, 4096); !strings.Contains(string(all), until); {
		n, err := c.Read(b)
		if all = append(all, b[:n]...); err != nil {
			break
		}
	}
	before, _, _ := strings.Cut(string(all), until)
	return before + until, c
}

// hangUp ends a connection when all has been read.
func hangUp(c net.Conn) {
	c.(*net.TCPConn).CloseWrite()
	io.ReadAll(c)
	c.Close()
}

// ask sends a datagram and returns the answer to it.
func ask(from string, port int, text string) string {
	c, err := (&net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(from)}}).Dial("udp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	io.WriteString(c, text)
	c.SetDeadline(time.Now().Add(time.Second))
	b := make([]byte, 100)
	n, _ := c.Read(b)
	return string(b[:n])
}

// logScenes are the lines of the service log, without numbers that differ by
// nature. Not compared are those about clients that xinetd starts a process
// for and we do not: its START and EXIT lines of a client that is kept out,
// and those of services without a program, which have no pid with us.
func logScenes(name string) (all []scene) {
	text, _ := os.ReadFile(name)
	numbers := regexp.MustCompile(`pid=\d+|duration=\d+|^\d+/\d+/\d+@\d+:\d+:\d+`)
	var lines []string
	for line := range strings.Lines(string(text)) {
		line = numbers.ReplaceAllStringFunc(line, func(s string) string { return regexp.MustCompile(`\d+`).ReplaceAllString(s, "N") })
		if strings.Contains(line, ": jail ") || strings.Contains(line, ": closed ") {
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	lines = slices.Compact(lines)
	return []scene{{"the service log", strings.Join(lines, "")}}
}
