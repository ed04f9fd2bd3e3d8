// Command tcprules compiles rules for tcpserver: it reads their text and
// replaces the constant database that tcpserver -x looks them up in.
//
// See tcprules(1).
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"doorward/acl"
	rules "doorward/acl/tcprules"
	"doorward/cmd/internal/errtext"
)

const (
	exitUsage = 100 // the command or its input is wrong
	exitFault = 111 // the system did not do as asked
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "tcprules: usage: tcprules rules.cdb rules.tmp")
		os.Exit(exitUsage)
	}
	if err := compile(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "tcprules: fatal:", err)
		if errors.As(err, new(badLine)) {
			os.Exit(exitUsage)
		}
		os.Exit(exitFault)
	}
}

// A badLine is a line that is no rule.
type badLine string

// The text is cut at a zero byte, where the original's, a C string, ends.
func (l badLine) Error() string {
	text, _, _ := strings.Cut(string(l), "\x00")
	return "unable to parse this line: " + text
}

// compile writes the rules on standard input to tmp and moves that to cdb, so
// that at every moment cdb is either the old database or the new one, and still
// is after a power cut. The order of the steps is the original's.
func compile(cdb, tmp string) error {
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return fault(err, "create "+tmp)
	}
	defer f.Close()

	src, err := io.ReadAll(os.Stdin)
	if err != nil {
		return fault(err, "read input")
	}
	r, err := rules.Parse("stdin", string(src))
	if err != nil {
		return explain(err)
	}
	if err := write(f, r.CDB()); err != nil {
		return fault(err, "write to "+tmp)
	}
	if err := os.Rename(tmp, cdb); err != nil {
		return fault(err, "move "+tmp+" to "+cdb)
	}
	if err := syncDir(filepath.Dir(cdb)); err != nil { // moved it is, all the same
		fmt.Fprintln(os.Stderr, "tcprules: warning:", fault(err, "sync "+filepath.Dir(cdb)))
	}
	return nil
}

// write leaves data on the disk, not just in the kernel.
func write(f *os.File, data []byte) error {
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

// syncDir leaves the names in a directory on the disk, where the file system
// can do that.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return nil
}

// explain prints what is wrong with each bad line and returns the first, the
// only one the original knows of.
func explain(err error) error {
	fmt.Fprintln(os.Stderr, "tcprules: "+strings.ReplaceAll(err.Error(), "\n", "\ntcprules: "))
	var first *acl.SyntaxError
	if errors.As(err, &first) {
		return badLine(first.Text)
	}
	return err
}

func fault(err error, what string) error {
	return fmt.Errorf("unable to %s: %s", what, errtext.Of(err))
}
