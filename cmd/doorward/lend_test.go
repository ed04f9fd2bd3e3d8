//go:build linux

package main

import (
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// datagrams is a service that writes the datagram it is started for to a
// file.
func datagrams(lines ...string) string {
	if os.Getuid() == 0 {
		lines = append(lines, "user = root")
	}
	return `service test
{
	type        = UNLISTED
	socket_type = dgram
	wait        = yes
	port        = PORT
	server      = /bin/dd
	server_args = bs=2000 count=1 of=DIR/got
	` + strings.Join(lines, "\n\t") + "\n}\n"
}

func sendFrom(t *testing.T, from, to, text string) {
	t.Helper()
	c, err := (&net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(from)}}).Dial("udp", to)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

// only_from judges the sender of a datagram, and a reload does not wait for
// the program that has the socket.
func TestDatagramService(t *testing.T) {
	s, port := start(t, datagrams("only_from = 127.0.0.1"), nil)
	sendFrom(t, "127.0.0.3", "127.0.0.1:"+port, "bad")
	s.waitFor(`test: 127\.0\.0\.3:\d+ denied by .*doorward\.conf:`)
	sendFrom(t, "127.0.0.1", "127.0.0.1:"+port, "good")
	s.waitFor(`test: 127\.0\.0\.1:\d+ allowed by .*: pid \d+, exit 0`)
	if b, _ := os.ReadFile(s.dir + "/got"); string(b) != "good" {
		t.Errorf("the program got %q", b)
	}
}

// A service that has lent its socket can be changed, and taken away.
func TestReloadWhileLent(t *testing.T) {
	config := strings.Replace(datagrams(), "/bin/dd\n", "/bin/sh\n", 1)
	config = strings.Replace(config, "bs=2000 count=1 of=DIR/got", "DIR/sleep.sh", 1)
	s, port := start(t, config+dumper("other", "disable = yes"), map[string]string{"sleep.sh": "exec sleep 60\n"}, "-v")
	sendFrom(t, "127.0.0.1", "127.0.0.1:"+port, "x")
	s.waitFor(`test: .* pid \d+$`)
	s.write("doorward.conf", strings.NewReplacer("PORT", port, "DIR", s.dir).Replace(dumper("other")))
	began := time.Now()
	s.waitFor(`^doorward: - test`)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

// A program that has the socket keeps it while doorward executes itself again:
// no other one is started beside it, and its end is told.
func TestExecuteWhileLent(t *testing.T) {
	config := strings.NewReplacer("/bin/dd\n", "/bin/sh\n", "bs=2000 count=1 of=DIR/got", "DIR/slow.sh").Replace(datagrams())
	s, port := start(t, config, map[string]string{"slow.sh": "dd bs=2000 count=1 of=DIR/got 2>/dev/null; sleep 1\n"}, "-v")
	sendFrom(t, "127.0.0.1", "127.0.0.1:"+port, "one")
	s.waitFor(`test: .* pid \d+$`)
	s.signal(syscall.SIGUSR2)
	s.waitFor(`serving 1 service, 1 session running`)
	sendFrom(t, "127.0.0.1", "127.0.0.1:"+port, "two")
	s.waitFor(`(?s)pid (\d+)\n.*pid \d+, exit 0 after.*pid \d+\n`)
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if b, _ := os.ReadFile(s.dir + "/got"); string(b) == "two" {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the second datagram never arrived")
		}
	}
}

// A service may turn from one that takes its socket into one that does not,
// on the same socket, and back.
func TestWaitChanges(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	taking := strings.NewReplacer("wait        = no", "wait = yes\n\tenv = "+takeSocket+"=1", "/bin/sh", self).Replace(dumper("test"))
	s, port := start(t, taking, nil)
	turn := func(config string) {
		t.Helper()
		was := strings.Count(s.logged(), "doorward: ~ test")
		s.write("doorward.conf", strings.NewReplacer("PORT", port, "DIR", s.dir).Replace(config))
		for end := time.Now().Add(5 * time.Second); strings.Count(s.logged(), "doorward: ~ test") == was; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("not reloaded")
			}
		}
	}
	for _, step := range []struct{ config, want string }{{"", "accepted by the program"}, {dumper("test"), "== end"}, {taking, "accepted by the program"}} {
		if step.config != "" {
			turn(step.config)
		}
		for range 2 {
			if got := mustDial(t, "127.0.0.1", "127.0.0.1:"+port); !strings.Contains(got, step.want) {
				t.Errorf("got %q, want %q", got, step.want)
			}
		}
	}
}
