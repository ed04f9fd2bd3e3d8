package launcher_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"doorward/acl"
	"doorward/launcher"
	"doorward/launcher/journal"
	"doorward/launcher/run"
	"doorward/launcher/when"
)

func file(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "banner")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, mode); err != nil {
		t.Fatal(err)
	}
	return name
}

// banner comes first, then banner_success or banner_fail, then the program.
func TestBanners(t *testing.T) {
	b := launcher.Banners{Always: file(t, "hello\n", 0o644), Success: file(t, "welcome\n", 0o644), Fail: file(t, "sorry\n", 0o644)}
	closed := []when.Condition{when.During(nil)}
	tests := []struct {
		name string
		svc  launcher.Service
		want string
	}{
		{"let in", launcher.Service{}, "hello\nwelcome\nin\n"},
		{"kept out by a rule", launcher.Service{Policy: fixed(acl.Decision{Verdict: acl.Deny})}, "hello\nsorry\n"},
		{"kept out by the clock", launcher.Service{Conditions: closed}, "hello\nsorry\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.svc.Program, tt.svc.Banners = shell("echo in"), b
			h := open(t, &tt.svc, launcher.Limits{})
			if got := h.visit(""); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// A banner that cannot or must not be sent is told of, and keeps nobody out.
func TestBannersNotSent(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o644); err != nil {
		t.Fatal(err)
	}
	stranger := &run.Credential{UID: uint32(os.Getuid()) + 1, GID: uint32(os.Getgid()) + 1}
	tests := []struct {
		file   string
		reader *run.Credential
		why    string
	}{
		{"/no/such/file", nil, "no such file"},
		{fifo, nil, "not a file"},
		{"/", nil, "not a file"},
		{file(t, strings.Repeat("x", 64<<10+1), 0o644), nil, "longer than 64 KiB"},
		{file(t, "secret", 0o600), stranger, "may not read it"},
		{file(t, "secret", 0o640), stranger, "may not read it"},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			svc := &launcher.Service{Banners: launcher.Banners{Success: tt.file, Reader: tt.reader}, Program: shell("echo in")}
			h := open(t, svc, launcher.Limits{})
			if got := h.visit(""); got != "in\n" {
				t.Errorf("got %q", got)
			}
			h.waitFor(journal.Ended)
			if e := h.events[0]; len(e.Notes) != 1 || !strings.Contains(e.Notes[0].Text, tt.why) {
				t.Errorf("notes %v, want %q", e.Notes, tt.why)
			}
		})
	}
	for _, mode := range []os.FileMode{0o644, 0o604} { // a stranger is neither owner nor in the group
		svc := &launcher.Service{Banners: launcher.Banners{Success: file(t, "for all\n", mode), Reader: stranger}, Program: shell("echo in")}
		if got := open(t, svc, launcher.Limits{}).visit(""); got != "for all\nin\n" {
			t.Errorf("mode %o: got %q", mode, got)
		}
	}
}
