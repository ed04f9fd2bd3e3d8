package errtext

import (
	"errors"
	"os"
	"syscall"
	"testing"
)

func TestOf(t *testing.T) {
	_, missing := os.Open("/nonexistent")
	_, below := os.Open("/dev/null/x")
	for want, err := range map[string]error{
		"file does not exist": missing,
		"not a directory":     below, // the same in Go
		"out of disk space":   &os.PathError{Op: "write", Err: syscall.ENOSPC},
		"something else":      errors.New("something else"),
	} {
		if got := Of(err); got != want {
			t.Errorf("Of(%v) = %q, want %q", err, got, want)
		}
	}
}
