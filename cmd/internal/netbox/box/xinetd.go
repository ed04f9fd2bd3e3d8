//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"time"

	"doorward/cmd/internal/netbox/record"

	"golang.org/x/sys/unix"
)

// xinetdPath is where the box finds the real xinetd.
const xinetdPath = "/usr/sbin/xinetd"

// playXinetd has the real xinetd start the daemon of the case for one
// connection, and looks at the daemon while it waits for its client. The
// daemon must answer a line with a line, as cat does.
func (w *world) playXinetd(ctx context.Context, c *record.Case, r *record.Result) error {
	stderr, err := newBuffer()
	if err != nil {
		return err
	}
	defer stderr.file.Close()
	cmd := &exec.Cmd{
		Path: w.path(xinetdPath), Args: []string{"xinetd", "-dontfork", "-stayalive", "-f", "/etc/xinetd.conf"},
		Env: environ(c), Dir: "/", Stdout: stderr.file, Stderr: stderr.file,
		SysProcAttr: &unix.SysProcAttr{Setsid: true},
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { cmd.Process.Kill() })
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()

	err = awaitStart(ctx, c.Server.Port, ended)
	if err == nil {
		err = lookAt(ctx, c, r)
	}
	cmd.Process.Signal(unix.SIGTERM)
	<-ended
	if r.Stderr = stderr.String(); err != nil {
		return fmt.Errorf("%v; xinetd says %q", err, r.Stderr)
	}
	return nil
}

// lookAt connects, makes sure by an exchange of lines that the daemon has
// started, and looks at it. No daemon is a result too.
func lookAt(ctx context.Context, c *record.Case, r *record.Result) error {
	begin := time.Now()
	conn, err := connect(c, 0)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	deadline, _ := ctx.Deadline()
	conn.SetDeadline(deadline)
	if r.Received, err = exchange(conn, "hello\n"); err != nil {
		return err
	}
	r.Seconds = time.Since(begin).Seconds()
	if r.Received == "" {
		return nil
	}
	pid, err := findProgram(c.Program.File)
	if err != nil {
		return err
	}
	r.Seen, err = observe(pid)
	return err
}

func exchange(conn net.Conn, line string) (string, error) {
	if _, err := conn.Write([]byte(line)); err != nil {
		return "", err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if os.IsTimeout(err) {
		return "", errors.New("neither an answer nor the end of the connection")
	}
	return record.Text([]byte(answer)), nil
}
