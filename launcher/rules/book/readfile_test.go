package book_test

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"doorward/launcher/rules/book"
)

// A writer takes its time over a file, in place, as many editors and all
// shells do.
func TestReadFileWaitsForWriters(t *testing.T) {
	const line = "ALL: 192.0.2.66\n"
	tests := []struct {
		name  string
		lines int
		pause time.Duration // between them
	}{
		{"that write at once", 1, 0},
		{"that write line by line", 8, 20 * time.Millisecond},
		{"that are slow", 8, 40 * time.Millisecond},
		{"that need longer than a file may be kept open, as long as they go on", 200, 40 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name := t.TempDir() + "/deny"
			write(t, name, "ALL: ALL\n")
			synctest.Test(t, func(t *testing.T) {
				begun := make(chan struct{})
				go func() {
					f, err := os.Create(name)
					if err != nil {
						t.Error(err)
					}
					close(begun) // it is empty now
					for range tt.lines {
						time.Sleep(tt.pause)
						f.WriteString(line)
					}
					f.Close()
				}()
				<-begun
				if got, err := book.ReadFile(name); string(got) != strings.Repeat(line, tt.lines) || err != nil {
					t.Errorf("got %d bytes, %v", len(got), err)
				}
			})
		})
	}
}

// A writer that never closes its file keeps nobody waiting for ever, and
// neither does one that never stops writing.
func TestReadFileEnds(t *testing.T) {
	tests := []struct {
		name   string
		writes bool
		limit  time.Duration
	}{
		{"with a file that is only kept open", false, 6 * time.Second},
		{"with a file that never stays the same", true, 11 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name := t.TempDir() + "/deny"
			synctest.Test(t, func(t *testing.T) {
				f, err := os.Create(name)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				f.WriteString("ALL: ALL\n")
				done := make(chan struct{})
				go func() {
					for tt.writes {
						select {
						case <-done:
							return
						case <-time.After(10 * time.Millisecond):
							f.WriteString("ALL: ALL\n")
						}
					}
				}()
				start := time.Now()
				got, err := book.ReadFile(name)
				if !strings.HasPrefix(string(got), "ALL: ALL\n") || err != nil {
					t.Errorf("got %q, %v", got, err)
				}
				if d := time.Since(start); d < 5*time.Second || d > tt.limit {
					t.Errorf("it took %v", d)
				}
				close(done)
			})
		})
	}
}

func TestReadFileErrors(t *testing.T) {
	dir := t.TempDir()
	for name, want := range map[string]error{dir + "/none": fs.ErrNotExist, dir: syscall.EISDIR, dir + "/none/none": fs.ErrNotExist} {
		if got, err := book.ReadFile(name); len(got) != 0 || !errors.Is(err, want) {
			t.Errorf("%s: got %q, %v, want %v", name, got, err, want)
		}
	}
}
