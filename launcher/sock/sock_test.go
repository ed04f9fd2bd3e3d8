package sock_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"doorward/launcher/sock"
)

func listen(t *testing.T, c sock.Config) *sock.Listener {
	t.Helper()
	l, err := sock.Listen(c)
	if err != nil {
		t.Skipf("cannot listen on %v: %v", c, err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func dial(t *testing.T, network, host string, l *sock.Listener) net.Conn {
	t.Helper()
	c, err := net.Dial(network, netip.AddrPortFrom(netip.MustParseAddr(host), l.Addr().Port()).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func addrOf(a net.Addr) netip.AddrPort {
	ap := netip.MustParseAddrPort(a.String())
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

func TestAcceptKnowsBothEnds(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config sock.Config
		client string
		mapped bool
	}{
		{"an IPv4 address", sock.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0")}, "127.0.0.1", false},
		{"a mapped address is IPv4", sock.Config{Addr: netip.MustParseAddrPort("[::ffff:127.0.0.1]:0")}, "127.0.0.1", false},
		{"an IPv6 address", sock.Config{Addr: netip.MustParseAddrPort("[::1]:0")}, "::1", false},
		{"any IPv4 address", sock.Config{Family: sock.IPv4}, "127.0.0.2", false},
		{"any IPv6 address", sock.Config{Family: sock.IPv6}, "::1", false},
		{"any address, from IPv6", sock.Config{}, "::1", false},
		{"any address, from IPv4", sock.Config{}, "127.0.0.2", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := listen(t, tt.config)
			client := dial(t, "tcp", tt.client, l)
			c, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			local, remote := addrOf(client.RemoteAddr()), addrOf(client.LocalAddr())
			if c.Remote != remote || c.Local != local || c.Mapped != tt.mapped || c.Unix {
				t.Errorf("got %+v, want %v to %v", c, remote, local)
			}
			r, err := sock.FromFD(c.FD, "smtp")
			if err != nil || r.Remote != remote || r.Local != local || r.Mapped != tt.mapped || r.Daemon != "smtp" || r.Datagram || r.Unix {
				t.Errorf("FromFD: got %+v, %v", r, err)
			}
		})
	}
}

func TestIPv6OnlyTakesNoIPv4(t *testing.T) {
	l := listen(t, sock.Config{Family: sock.IPv6})
	if c, err := net.Dial("tcp4", netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), l.Addr().Port()).String()); err == nil {
		t.Error("connected")
		c.Close()
	}
}

// What package net would have changed: see the package comment.
func TestConnIsAsTheKernelMadeIt(t *testing.T) {
	l := listen(t, sock.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0")})
	dial(t, "tcp", "127.0.0.1", l)
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := sock.FromFD(c.FD, "x"); err != nil {
		t.Error(err)
	}
	if flags, _ := unix.FcntlInt(uintptr(c.FD), unix.F_GETFL, 0); flags&unix.O_NONBLOCK != 0 {
		t.Error("does not block")
	}
	if flags, _ := unix.FcntlInt(uintptr(c.FD), unix.F_GETFD, 0); flags&unix.FD_CLOEXEC == 0 {
		t.Error("is not closed on exec")
	}
	if n, _ := unix.GetsockoptInt(c.FD, unix.IPPROTO_TCP, unix.TCP_NODELAY); n != 0 {
		t.Error("TCP_NODELAY is set")
	}
	if n, _ := unix.GetsockoptInt(c.FD, unix.SOL_SOCKET, unix.SO_KEEPALIVE); n != 0 {
		t.Error("SO_KEEPALIVE is set")
	}
}

func TestCloseAndReset(t *testing.T) {
	l := listen(t, sock.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0")})
	for name, want := range map[string]error{"close": io.EOF, "reset": syscall.ECONNRESET} {
		client := dial(t, "tcp", "127.0.0.1", l)
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if name == "reset" {
			c.Reset()
		} else {
			c.Close()
		}
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, want) {
			t.Errorf("%s: client got %v, want %v", name, err, want)
		}
	}
}

func TestAcceptEnds(t *testing.T) {
	l := listen(t, sock.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0"), Name: "smtp"})
	l.SetDeadline(time.Now().Add(10 * time.Millisecond))
	if _, err := l.Accept(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after the deadline: %v", err)
	}
	l.SetDeadline(time.Time{})

	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if _, err := l.Accept(); !errors.Is(err, os.ErrClosed) {
				t.Errorf("after Close: %v", err)
			}
		})
	}
	time.Sleep(10 * time.Millisecond) // some wait already, some come later: both must end
	l.Close()
	wg.Wait()
}

func TestSeveralAcceptAtOnce(t *testing.T) {
	const clients = 200
	l := listen(t, sock.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0")})
	var served atomic.Int32
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				served.Add(1)
				c.Close()
			}
		})
	}
	for range clients {
		c := dial(t, "tcp", "127.0.0.1", l)
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Fatal(err)
		}
		c.Close()
	}
	l.Close()
	wg.Wait()
	if served.Load() != clients {
		t.Errorf("served %d of %d", served.Load(), clients)
	}
}

func TestAcceptWithoutRoomIsBusy(t *testing.T) {
	l := listen(t, sock.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0"), Name: "smtp"})
	dial(t, "tcp", "127.0.0.1", l)
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: old.Max})
	_, err := l.Accept()
	unix.Setrlimit(unix.RLIMIT_NOFILE, &old)

	var busy *sock.BusyError
	if !errors.As(err, &busy) || !errors.Is(err, unix.EMFILE) || busy.Name != "smtp" {
		t.Errorf("got %v, want a BusyError", err)
	}
	c, err := l.Accept() // the client is still there
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestFromFDSaysWhyNot(t *testing.T) {
	l := listen(t, sock.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0")})
	listening, err := l.Dup(false)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(listening)
	null, _ := os.Open(os.DevNull)
	defer null.Close()
	udp, _ := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	defer unix.Close(udp)
	for fd, want := range map[int]syscall.Errno{listening: unix.ENOTCONN, int(null.Fd()): unix.ENOTSOCK, 9999: unix.EBADF, udp: unix.EAGAIN} {
		var e *os.SyscallError
		if r, err := sock.FromFD(fd, "x"); !errors.Is(err, want) || !errors.As(err, &e) {
			t.Errorf("got %+v, %v, want %v", r, err, want)
		}
	}
}

func TestFromFDOfAnUnixSocket(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[0])
	defer unix.Close(fds[1])
	r, err := sock.FromFD(fds[0], "x")
	if err != nil || !r.Unix || r.Remote.IsValid() || r.Local.IsValid() {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestFromFDLooksAtTheDatagram(t *testing.T) {
	l := listen(t, sock.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0"), Datagram: true})
	client := dial(t, "udp", "127.0.0.1", l)
	client.Write([]byte("hello"))
	if err := l.Wait(); err != nil {
		t.Fatal(err)
	}
	err := l.Lend(func(fd int) error {
		r, err := sock.FromFD(fd, "x")
		if err != nil || !r.Datagram || r.Remote != addrOf(client.LocalAddr()) {
			t.Errorf("got %+v, %v", r, err)
		}
		if flags, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); flags&unix.O_NONBLOCK != 0 {
			t.Error("lent, and does not block")
		}
		b := make([]byte, 10)
		n, _, err := unix.Recvfrom(fd, b, 0)
		if string(b[:n]) != "hello" {
			t.Errorf("the daemon then gets %q, %v", b[:n], err)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if err := l.Take(); err != nil {
		t.Error(err)
	}
	l.SetDeadline(time.Now().Add(10 * time.Millisecond))
	if err := l.Wait(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("with nothing to receive: %v", err)
	}
}

func TestZoneIsTheInterface(t *testing.T) {
	ap := linkLocal(t)
	l := listen(t, sock.Config{Addr: ap})
	client := dial(t, "tcp", ap.Addr().String(), l)
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.Remote.Addr() != ap.Addr() || c.Remote != addrOf(client.LocalAddr()) {
		t.Errorf("got %v, want %v", c.Remote, client.LocalAddr())
	}
}

// linkLocal returns a link-local address of this machine.
func linkLocal(t *testing.T) netip.AddrPort {
	ifs, _ := net.Interfaces()
	for _, i := range ifs {
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() {
				return netip.AddrPortFrom(p.Addr().WithZone(i.Name), 0)
			}
		}
	}
	t.Skip("needs an interface with a link-local address")
	return netip.AddrPort{}
}

func TestListenSaysWhyNot(t *testing.T) {
	l := listen(t, sock.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0")})
	if l.Name() != l.Addr().String() {
		t.Errorf("name %q", l.Name())
	}
	if _, err := sock.Listen(sock.Config{Addr: l.Addr()}); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("twice: %v", err)
	}
	if _, err := sock.Listen(sock.Config{Addr: netip.MustParseAddrPort("192.0.2.1:0")}); !errors.Is(err, unix.EADDRNOTAVAIL) {
		t.Errorf("not ours: %v", err)
	}
	if _, err := sock.Listen(sock.Config{Addr: netip.MustParseAddrPort("[fe80::1%nosuchif]:0")}); err == nil {
		t.Error("no such interface: no error")
	}
}

func TestDupToHandOn(t *testing.T) {
	l := listen(t, sock.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0")})
	for _, inherit := range []bool{true, false} {
		fd, err := l.Dup(inherit)
		if err != nil {
			t.Fatal(err)
		}
		if flags, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); (flags&unix.FD_CLOEXEC == 0) != inherit {
			t.Errorf("inherit %v: flags %x", inherit, flags)
		}
		again, err := sock.Adopt(fd, "again")
		if err != nil || again.Addr() != l.Addr() || again.Name() != "again" {
			t.Fatalf("got %v, %v", again, err)
		}
		again.Close()
	}
}

func BenchmarkAccept(b *testing.B) {
	l, err := sock.Listen(sock.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0")})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	b.ReportAllocs()
	for b.Loop() {
		client, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		c, err := l.Accept()
		if err != nil {
			b.Fatal(err)
		}
		c.Reset()
		client.Close()
	}
}
