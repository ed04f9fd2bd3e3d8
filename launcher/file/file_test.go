package file_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"doorward/launcher/file"
)

func TestRead(t *testing.T) {
	for _, size := range []int{0, 1, 4095, 4096, 4097, 100_000} {
		name, want := filepath.Join(t.TempDir(), "f"), bytes.Repeat([]byte("x\n\x00"), size)[:size]
		if err := os.WriteFile(name, want, 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := file.Read(name); err != nil || !bytes.Equal(got, want) {
			t.Errorf("of %d bytes: got %d, %v", size, len(got), err)
		}
	}
}

// A file of /proc says that it has no bytes, and has.
func TestReadProc(t *testing.T) {
	if got, err := file.Read("/proc/self/stat"); err != nil || len(got) == 0 {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestReadErrors(t *testing.T) {
	dir := t.TempDir()
	tests := []struct {
		name string
		want error
	}{
		{dir + "/none", fs.ErrNotExist},
		{dir, syscall.EISDIR},
		{dir + "/no\x00name", syscall.EINVAL},
	}
	for _, tt := range tests {
		got, err := file.Read(tt.name)
		var path *fs.PathError
		if !errors.Is(err, tt.want) || !errors.As(err, &path) || path.Path != tt.name || got != nil {
			t.Errorf("%q: got %q, %v", tt.name, got, err)
		}
	}
}

// Whoever reads many files has no more open than before.
func TestReadCloses(t *testing.T) {
	open := func() int { d, _ := os.ReadDir("/proc/self/fd"); return len(d) }
	before := open()
	for range 100 {
		file.Read("/proc/self/stat")
		file.Read(t.TempDir())
	}
	if now := open(); now > before {
		t.Errorf("%d descriptors are open, before it were %d", now, before)
	}
}
