//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"doorward/cmd/internal/netbox/record"

	"golang.org/x/sys/unix"
)

// The file mode creation masks under which the programs were recorded: one of
// a server's start script, and a strict one that shows which programs set
// their own. The box makes no file while the strict one is set.
const (
	serverUmask = 0o022
	inetdUmask  = 0o077
)

// replay plays one case from an empty world to an empty world.
func (w *world) replay(c *record.Case) *record.Result {
	r := &record.Result{ID: c.ID}
	limit := 40 * time.Second
	if c.Timeout != 0 {
		limit = time.Duration(c.Timeout * float64(time.Second))
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := w.play(ctx, c, r); err != nil {
		r.Error = err.Error()
	}
	return r
}

func (w *world) play(ctx context.Context, c *record.Case, r *record.Result) error {
	defer endOthers()
	if err := w.prepare(ctx, c); err != nil {
		return err
	}
	names, err := serveNames(c.DNS)
	if err != nil {
		return err
	}
	defer names.close()
	ident, err := serveIdent(c.Client.Addr, c.Ident)
	if err != nil {
		return err
	}
	defer ident.close()

	w.log.take() // what came after the end of the case before
	switch c.Kind {
	case "tcpserver":
		err = w.playServer(ctx, c, r)
	case "xinetd":
		err = w.playXinetd(ctx, c, r)
	default:
		unix.Umask(inetdUmask)
		err = w.playInetd(ctx, c, r)
	}
	time.Sleep(time.Duration(c.Settle * float64(time.Second)))
	r.Syslog = w.log.take()
	r.Ident, r.DNS = ident.queries(), names.questions()
	return errors.Join(err, outFiles(r), dump(c, r))
}

// prepare makes the files, the addresses, and what runs beside the case.
func (w *world) prepare(ctx context.Context, c *record.Case) error {
	unix.Umask(serverUmask)
	if err := w.reset(c); err != nil {
		return err
	}
	if err := w.hosts.addBoth(c.Client.Addr, c.Server.Addr); err != nil {
		return err
	}
	if c.Rules != nil {
		if err := w.compileRules(ctx, record.Bytes(*c.Rules)); err != nil {
			return err
		}
	}
	if c.Oidentd {
		return startOidentd(ctx, w.programs["/usr/sbin/oidentd"])
	}
	return nil
}

func dump(c *record.Case, r *record.Result) (err error) {
	r.Received, r.Dump, err = takeDump(r.Received)
	if err == nil && r.Dump != nil && c.PIDInEnv {
		hidePID(r.Dump)
	}
	r.Stderr = numberPIDs(r.Stderr)
	return err
}

func outFiles(r *record.Result) error {
	files, err := filepath.Glob("/srv/cf/out/*")
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		if r.OutFiles == nil {
			r.OutFiles = make(map[string]string)
		}
		r.OutFiles[filepath.Base(f)] = record.Text(b)
	}
	return err
}

// endOthers ends every process of the namespace but this one, and waits for
// those that nobody waits for.
func endOthers() {
	unix.Kill(-1, unix.SIGKILL)
	for {
		if _, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != nil {
			return // ECHILD: all are gone
		}
		time.Sleep(time.Millisecond)
	}
}

// A buffer gathers the output of a process whose end may never come: reading
// it does not wait for the writer.
type buffer struct{ file *os.File }

func newBuffer() (*buffer, error) {
	fd, err := unix.MemfdCreate("output", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "output")
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETFL, unix.O_APPEND); err != nil {
		return nil, err
	}
	return &buffer{f}, nil
}

func (b *buffer) String() string {
	var out bytes.Buffer
	chunk := make([]byte, 1<<16)
	for at := int64(0); ; {
		n, err := b.file.ReadAt(chunk, at)
		out.Write(chunk[:n])
		if at += int64(n); err != nil {
			return record.Text(out.Bytes())
		}
	}
}
