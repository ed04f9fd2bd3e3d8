//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// kindsSubject has the services of every kind that xinetd knows, internal ones and
// those that take a whole socket too.
func kindsSubject(t *testing.T) subject {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return subject{
		name:     "every kind of service",
		services: strings.NewReplacer("BACKEND", answering(t), "SELF", self).Replace(everyKind),
		files:    map[string]string{"jail.sh": jail, "hello": "hello\n", "welcome": "welcome\n", "sorry": "sorry\n"},
		logs:     "jail|closed",
		port:     7006,
		play:     playKinds,
	}
}

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

// everyKind has a service of each kind that xinetd knows. BACKEND is a server
// that answers, SELF the program above.
const everyKind = `service jail
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
service echo
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

func playKinds(t *testing.T, dir string) (all []scene) {
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
