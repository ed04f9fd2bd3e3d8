package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"doorward/cmd/internal/itself"
)

// systemd's own code accepts the connection: on descriptor 3, and on 0 and 1.
func TestSystemdAccepts(t *testing.T) {
	activate, err := exec.LookPath("systemd-socket-activate")
	if err != nil {
		t.Skip("needs systemd-socket-activate")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, how := range [][]string{{"-a"}, {"-a", "--inetd"}} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().String()
		l.Close()
		config := t.TempDir() + "/conf"
		write(t, config, service(t, "flags = NOLIBWRAP"))
		cmd := exec.Command(activate, append(how, "-E", itself.Env, "-l", addr, self, "-config", config, "test")...)
		var log strings.Builder
		cmd.Stderr = &log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		got, err := ask(addr)
		cmd.Process.Kill()
		cmd.Wait()
		if !strings.HasPrefix(got, "127.0.0.1 127.0.0.1 relay=unset given EHLO\n0 1 2 3 ") || err != nil {
			t.Errorf("%v: got %q, %v\n%s", how, got, err, log.String())
		}
	}
}

// ask connects as soon as somebody listens.
func ask(addr string) (string, error) {
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("tcp", addr)
		if err != nil && time.Now().Before(end) {
			continue
		}
		if err != nil {
			return "", err
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(10 * time.Second))
		fmt.Fprintln(c, "EHLO")
		b, err := io.ReadAll(c)
		return string(b), err
	}
}
