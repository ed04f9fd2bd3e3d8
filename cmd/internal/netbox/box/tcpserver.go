//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"doorward/cmd/internal/netbox/record"

	"golang.org/x/sys/unix"
)

// The paths under which the box finds these programs; no case names them.
const (
	tcpserverPath = "/usr/bin/tcpserver"
	tcprulesPath  = "/usr/bin/tcprules"
)

// playServer runs one tcpserver for all connections of the case, then ends it
// as a supervisor does.
func (w *world) playServer(ctx context.Context, c *record.Case, r *record.Result) error {
	stdout, err1 := newBuffer()
	stderr, err2 := newBuffer()
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	defer stdout.file.Close()
	defer stderr.file.Close()

	cmd := &exec.Cmd{
		Path: w.path(tcpserverPath), Args: append([]string{"tcpserver"}, c.Args...), Env: environ(c), Dir: "/",
		Stdout: stdout.file, Stderr: stderr.file,
		SysProcAttr: &unix.SysProcAttr{Setsid: true},
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { cmd.Process.Kill() })
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()

	err := w.visitAll(ctx, c, r, stderr, ended)
	cmd.Process.Signal(unix.SIGTERM)
	err = errors.Join(err, exited(<-ended, r))
	r.Stdout, r.Stderr = stdout.String(), stderr.String()
	if err != nil {
		err = fmt.Errorf("%v; its standard error: %q", err, r.Stderr)
	}
	return err
}

// visitAll connects as often as the case says, once the log shows the end of
// the connection before. A server that has ended instead of listening is
// visited by nobody.
func (w *world) visitAll(ctx context.Context, c *record.Case, r *record.Result, stderr *buffer, ended chan error) error {
	if err := awaitStart(ctx, c.Server.Port, ended); err != nil {
		return nil // what it said and its exit status are in the result
	}
	if c.Program.File != "" {
		return lookAt(ctx, c, r)
	}
	for n := range max(c.Connections, 1) {
		if n > 0 {
			other, _, err := takeDump(r.Received)
			if err != nil {
				return err
			}
			r.Others = append(r.Others, other)
		}
		if err := visit(ctx, c, n, r); err != nil {
			return err
		}
		awaitLog(ctx, stderr, n+1)
	}
	return nil
}

// awaitStart waits until the server listens; its end is an error.
func awaitStart(ctx context.Context, port int, ended chan error) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		select {
		case err := <-ended:
			ended <- err // for the one who waits for it
			return errors.New("ended")
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
		if listening(port) {
			return nil
		}
	}
}

func visit(ctx context.Context, c *record.Case, n int, r *record.Result) error {
	begin := time.Now()
	conn, err := connect(c, n)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	deadline, _ := ctx.Deadline()
	r.Received, err = talk(c, conn, deadline)
	r.Seconds = time.Since(begin).Seconds()
	return err
}

// awaitLog waits until a server that keeps a log has logged the end of the
// last connection. One that keeps none is given a moment instead.
func awaitLog(ctx context.Context, stderr *buffer, connections int) {
	for range 200 {
		log := stderr.String()
		if !strings.Contains(log, "tcpserver: status: ") {
			sleep(ctx, 100*time.Millisecond)
			return
		}
		if strings.Count(log, "tcpserver: end ") == connections && strings.Contains(lastLine(log), ": status: 0/") {
			return
		}
		sleep(ctx, 10*time.Millisecond)
	}
}

func lastLine(log string) string {
	log = strings.TrimSuffix(log, "\n")
	return log[strings.LastIndexByte(log, '\n')+1:]
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// awaitListener waits until somebody listens on a TCP port, without
// connecting to it.
func awaitListener(ctx context.Context, port int) error {
	for ctx.Err() == nil {
		if listening(port) {
			return nil
		}
		sleep(ctx, 5*time.Millisecond)
	}
	return fmt.Errorf("nobody listens on port %d: %w", port, ctx.Err())
}

func listening(port int) bool {
	mark := fmt.Appendf(nil, ":%04X", port)
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		b, err := os.ReadFile(table)
		if err == nil && listens(b, mark) {
			return true
		}
	}
	return false
}

// listens looks in a table of proc_net_tcp(5) for a local port in state 0A.
func listens(table, mark []byte) bool {
	for line := range bytes.Lines(table) {
		f := bytes.Fields(line)
		if len(f) > 3 && bytes.HasSuffix(f[1], mark) && string(f[3]) == "0A" {
			return true
		}
	}
	return false
}

// compileRules makes the rules.cdb of the case.
func (w *world) compileRules(ctx context.Context, rules []byte) error {
	cmd := exec.CommandContext(ctx, w.path(tcprulesPath), "/srv/cf/rules.cdb", "/srv/cf/rules.tmp")
	cmd.Stdin = bytes.NewReader(rules)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("tcprules: %v: %s", err, out)
	}
	return os.Chmod("/srv/cf/rules.cdb", 0o644)
}
