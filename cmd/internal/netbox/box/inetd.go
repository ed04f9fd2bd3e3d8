//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"time"

	"doorward/cmd/internal/netbox/record"

	"golang.org/x/sys/unix"
)

// A plug is what a program started for a connection has as descriptors 0 and
// 1, and the client's end of it.
type plug struct {
	in, out *os.File
	client  net.Conn
}

// close closes the ends of the program, which has its own copies by now.
func (p *plug) close() {
	p.in.Close()
	if p.out != p.in {
		p.out.Close()
	}
}

// playInetd does what inetd(8) does: it accepts the connection and starts the
// program with it.
func (w *world) playInetd(ctx context.Context, c *record.Case, r *record.Result) error {
	p, err := plugFor(c)
	if err != nil {
		return err
	}
	defer hangUpPlug(p)
	stderr, err := newBuffer()
	if err != nil {
		return err
	}
	defer stderr.file.Close()

	cmd := &exec.Cmd{
		Path: w.path(c.Program.File), Args: c.Program.Argv, Env: environ(c), Dir: "/",
		Stdin: p.in, Stdout: p.out, Stderr: stderr.file,
		SysProcAttr: &unix.SysProcAttr{Setsid: true},
	}
	if c.Kind == "tcpd" {
		cmd.Stderr = p.out
	}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		p.close()
		return err
	}
	stop := context.AfterFunc(ctx, func() { cmd.Process.Kill() })
	defer stop()
	p.close()

	deadline, _ := ctx.Deadline()
	received, err := talk(c, p.client, deadline)
	r.Received, r.Seconds = received, time.Since(begin).Seconds()
	if err := errors.Join(err, exited(cmd.Wait(), r)); err != nil {
		return err
	}
	r.Stderr = stderr.String()
	return nil
}

// path returns where the program that cases know as file really is.
func (w *world) path(file string) string {
	if stored, ok := w.programs[file]; ok {
		return stored
	}
	return file
}

func environ(c *record.Case) []string {
	env := []string{} // not nil: that would mean the box's own
	for name, v := range c.Env {
		env = append(env, string(record.Bytes(name+"="+v)))
	}
	slices.Sort(env)
	return env
}

// exited notes how a program ended.
func exited(err error, r *record.Result) error {
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return err
	}
	if exit == nil {
		return nil
	}
	r.Exit = exit.ExitCode()
	if status, ok := exit.Sys().(unix.WaitStatus); ok && status.Signaled() {
		r.Exit = -int(status.Signal())
	}
	return nil
}

func plugFor(c *record.Case) (*plug, error) {
	switch c.Stdin {
	case "":
		return tcpPlug(c)
	case "udp":
		return udpPlug(c)
	case "unix":
		return unixPlug()
	case "pipe":
		in, w, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		w.Close()
		return pipePlug(in)
	case "null":
		in, err := os.Open(os.DevNull)
		if err != nil {
			return nil, err
		}
		return pipePlug(in)
	}
	return nil, fmt.Errorf("unknown stdin %q", c.Stdin)
}

// tcpPlug listens as the case says, connects, and accepts.
func tcpPlug(c *record.Case) (*plug, error) {
	l, err := listen(c)
	if err != nil {
		return nil, err
	}
	defer unix.Close(l)
	client, err := connect(c, 0)
	if err != nil {
		return nil, err
	}
	fd, _, err := unix.Accept4(l, unix.SOCK_CLOEXEC)
	if err != nil {
		client.Close()
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "accepted") // blocking, and stays so
	return &plug{f, f, client}, nil
}

func listen(c *record.Case) (int, error) {
	addr, family, err := sockaddr(c.Server)
	if err != nil {
		return -1, err
	}
	if c.Listen == "dual" {
		addr, family = &unix.SockaddrInet6{Port: c.Server.Port}, unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if c.Listen == "dual" {
		err = errors.Join(err, unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0))
	}
	if err = errors.Join(err, unix.Bind(fd, addr), unix.Listen(fd, 16)); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("listen on %v: %v", c.Server, err)
	}
	return fd, nil
}

// udpPlug binds the server's socket and has the client send its input. The
// program cannot answer on an unconnected socket, so its output is a pipe.
func udpPlug(c *record.Case) (*plug, error) {
	addr, family, err := sockaddr(c.Server)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, addr); err != nil {
		unix.Close(fd)
		return nil, err
	}
	if err := sendDatagram(c); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return pipePlug(os.NewFile(uintptr(fd), "udp"))
}

func sendDatagram(c *record.Case) error {
	d := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(c.Client.Addr), Port: c.Client.Port}}
	conn, err := d.Dial("udp", net.JoinHostPort(c.Server.Addr, fmt.Sprint(c.Server.Port)))
	if err != nil {
		return err
	}
	defer conn.Close()
	input := record.Bytes(c.Input)
	if len(input) == 0 {
		input = []byte("x\n")
	}
	_, err = conn.Write(input)
	return err
}

func unixPlug() (*plug, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "unix"), os.NewFile(uintptr(fds[1]), "unix")
	defer ours.Close()
	client, err := net.FileConn(ours)
	if err != nil {
		theirs.Close()
		return nil, err
	}
	return &plug{theirs, theirs, client}, nil
}

// pipePlug gives the program in, and a pipe for its output.
func pipePlug(in *os.File) (*plug, error) {
	r, w, err := os.Pipe()
	if err != nil {
		in.Close()
		return nil, err
	}
	return &plug{in, w, pipeEnd{r}}, nil
}

// A pipeEnd is a client that can only listen.
type pipeEnd struct{ *os.File }

func (pipeEnd) Write(b []byte) (int, error)  { return len(b), nil }
func (pipeEnd) LocalAddr() net.Addr          { return nil }
func (pipeEnd) RemoteAddr() net.Addr         { return nil }
func (p pipeEnd) Read(b []byte) (int, error) { return p.File.Read(b) }

var _ io.ReadWriteCloser = pipeEnd{}

func hangUpPlug(p *plug) {
	if tcp, ok := p.client.(*net.TCPConn); ok {
		hangUp(tcp)
		return
	}
	p.client.Close()
}
