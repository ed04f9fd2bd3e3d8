package question

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"doorward/acl/hosts"
)

// Table reads a table of hosts_access(5) and the pattern files it names. One
// that does not exist is nil, which is an empty one; one that cannot be read is
// hosts.Unreadable, and the error says so. Other errors are those of
// hosts.Parse, and the table decides all the same.
func Table(name string) (*hosts.Rules, error) {
	src, err := os.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case errors.Is(err, syscall.EISDIR):
		src = nil // as tcpd sees it: an empty table
	case err != nil:
		return hosts.Unreadable(name, err), err
	}
	return hosts.Parse(name, string(src), patternFile)
}

func patternFile(name string) (string, error) {
	src, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EISDIR) {
		return "", fmt.Errorf("%w: %w", hosts.ErrNoFile, err)
	}
	return string(src), err
}
