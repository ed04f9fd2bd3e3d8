package builtin_test

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"doorward/launcher/builtin"
)

var noon = time.Date(2026, 11, 24, 12, 0, 9, 0, time.UTC)

// serve runs a service for one client over TCP, and returns the client.
func serve(t *testing.T, s builtin.Service) (client *net.TCPConn, served <-chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		defer server.Close()
		done <- s(server.(*net.TCPConn))
	}()
	t.Cleanup(func() { c.Close(); server.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return c.(*net.TCPConn), done
}

func talk(t *testing.T, s builtin.Service, input string) string {
	t.Helper()
	c, _ := serve(t, s)
	io.WriteString(c, input)
	c.CloseWrite()
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSmall(t *testing.T) {
	long := strings.Repeat("0123456789", 100_000)
	if got := talk(t, builtin.Small("echo", time.Now), long); got != long {
		t.Errorf("echo: %d bytes of %d", len(got), len(long))
	}
	if got := talk(t, builtin.Small("discard", time.Now), long); got != "" {
		t.Errorf("discard: %q", got)
	}
	if builtin.Small("finger", time.Now) != nil {
		t.Error("there is no finger")
	}
}

// The clock of RFC 867 and RFC 868: the latter has an example for 1970.
func TestClocks(t *testing.T) {
	at := func(name string, now time.Time) string {
		return talk(t, builtin.Small(name, func() time.Time { return now }), "")
	}
	if got := at("time", time.Unix(0, 0)); binary.BigEndian.Uint32([]byte(got)) != 2208988800 {
		t.Errorf("time: % x", got)
	}
	if got := at("daytime", noon); got != "24 NOV 2026 12:00:09 UTC\r\n" {
		t.Errorf("daytime: %q", got)
	}
}

// Lines of 72 characters, each of which begins a character later.
func TestChargen(t *testing.T) {
	c, served := serve(t, builtin.Small("chargen", time.Now))
	b := make([]byte, 200*74)
	if _, err := io.ReadFull(c, b); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(b), "\r\n")
	for i, line := range lines[:200] {
		if want := byte('!' + i%94); len(line) != 72 || line[0] != want {
			t.Fatalf("line %d: %q", i, line)
		}
	}
	c.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// A client that does nothing is left after a minute; one that keeps busy,
// after ten.
func TestSmallServicesEnd(t *testing.T) {
	for name, every := range map[string]time.Duration{"idle": 0, "busy": 30 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				began, done := time.Now(), make(chan time.Duration)
				go func() {
					builtin.Small("echo", time.Now)(pipe{server})
					server.Close()
					done <- time.Since(began)
				}()
				for every > 0 {
					if _, err := client.Write([]byte("x")); err != nil {
						break
					}
					client.Read(make([]byte, 1))
					time.Sleep(every)
				}
				want := time.Minute
				if every > 0 {
					want = 10 * time.Minute
				}
				if took := <-done; took != want {
					t.Errorf("ended after %v, want %v", took, want)
				}
			})
		})
	}
}

// A pipe is a Stream for as long as nobody ends one direction.
type pipe struct{ net.Conn }

func (pipe) CloseWrite() error { panic("not possible") }

// backend listens, and lets f have its first connection.
func backend(t *testing.T, f func(*net.TCPConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer l.Close()
		if c, err := l.Accept(); err == nil {
			defer c.Close()
			f(c.(*net.TCPConn))
		}
	}()
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// Each direction ends by itself, and all that was sent before arrives.
func TestRedirectHalfClose(t *testing.T) {
	long := strings.Repeat("0123456789", 100_000)
	after := backend(t, func(c *net.TCPConn) { // answers when it has heard all
		b, _ := io.ReadAll(c)
		c.Write(b)
	})
	if got := talk(t, builtin.Redirect(after), long); got != long {
		t.Errorf("the client closed first: %d bytes of %d", len(got), len(long))
	}
	heard := make(chan string, 1)
	before := backend(t, func(c *net.TCPConn) { // has nothing to say, and listens
		c.CloseWrite()
		b, _ := io.ReadAll(c)
		heard <- string(b)
	})
	c, _ := serve(t, builtin.Redirect(before))
	if b, err := io.ReadAll(c); len(b) > 0 || err != nil {
		t.Errorf("got %q, %v", b, err)
	}
	io.WriteString(c, long)
	c.CloseWrite()
	if got := <-heard; got != long {
		t.Errorf("the server closed first: it heard %d bytes of %d", len(got), len(long))
	}
}

// When one side breaks off, so does the other.
func TestRedirectBreaks(t *testing.T) {
	c, served := serve(t, builtin.Redirect(backend(t, func(c *net.TCPConn) {
		c.Read(make([]byte, 1))
		c.SetLinger(0)
	})))
	io.WriteString(c, "x")
	io.ReadAll(c)
	select {
	case err := <-served:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Error("the service goes on")
	}
}

// A server that cannot be reached is what the log should hear of.
func TestRedirectNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := l.Addr().String()
	l.Close()
	c, served := serve(t, builtin.Redirect(gone))
	if b, _ := io.ReadAll(c); len(b) > 0 {
		t.Errorf("got %q", b)
	}
	if err := <-served; err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("error %v", err)
	}
}
