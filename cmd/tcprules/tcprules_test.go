package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	rules "doorward/acl/tcprules"
	"doorward/cmd/internal/itself"
)

func TestMain(m *testing.M) { itself.Main(m, main) }

// run runs the command in dir with input on descriptor 0.
func run(t *testing.T, dir, input string, args ...string) itself.Result {
	t.Helper()
	cmd := itself.Command(t, args...)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(input)
	return itself.Run(t, cmd)
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const good = "# our own\n10.1-2.:allow,RELAYCLIENT=\"@example.net\"\n=.example.org:deny\n:allow\n"

func TestTheDatabaseTakesThePlaceOfTheOldOne(t *testing.T) {
	for name, text := range map[string]string{"rules": good, "no rules": ""} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			put(t, dir, "smtp.cdb", "what was there before")
			got := run(t, dir, text, "smtp.cdb", "smtp.tmp", "what else there is does not count")
			if got != (itself.Result{}) {
				t.Fatalf("got %+v", got)
			}
			want, err := rules.Parse("", text)
			if err != nil {
				t.Fatal(err)
			}
			if get(t, dir, "smtp.cdb") != string(want.CDB()) {
				t.Error("another database")
			}
			if _, err := os.Stat(filepath.Join(dir, "smtp.tmp")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("smtp.tmp: %v", err)
			}
		})
	}
}

// Every bad line is reported with its number; the last word is the original's,
// about the first one.
func TestBadLines(t *testing.T) {
	const detail = `after allow and deny want nothing but ,NAME="VALUE"`
	tests := []struct{ why, text, stderr string }{
		{"two of them", "192.0.2.7:deny\n192.0.2.8:deny,\n192.0.2.9-x:deny\n",
			`tcprules: stdin:2: "192.0.2.8:deny,": ` + detail + "\n" +
				`tcprules: stdin:3: "192.0.2.9-x:deny": want numbers on both sides of the hyphen` + "\n" +
				"tcprules: fatal: unable to parse this line: 192.0.2.8:deny,\n"},
		{"one that the original never gets over", "192.0.2.7\n",
			`tcprules: stdin:1: "192.0.2.7": want an address, a colon and allow or deny` + "\n" +
				"tcprules: fatal: unable to parse this line: 192.0.2.7\n"},
		{"a zero byte, where the original's message ends", "192.0.2.7:deny\x00x\n",
			`tcprules: stdin:1: "192.0.2.7:deny\x00x": ` + detail + "\n" +
				"tcprules: fatal: unable to parse this line: 192.0.2.7:deny\n"},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			dir := t.TempDir()
			put(t, dir, "smtp.cdb", "the old one")
			if got, want := run(t, dir, tt.text, "smtp.cdb", "smtp.tmp"), (itself.Result{Stderr: tt.stderr, Status: 100}); got != want {
				t.Errorf("got\n%+v\nwant\n%+v", got, want)
			}
			if got := get(t, dir, "smtp.cdb"); got != "the old one" {
				t.Errorf("the database is now %q", got)
			}
		})
	}
}

// Wrong use is 100, a fault of the system 111, in the original's words.
func TestFaults(t *testing.T) {
	tests := []struct {
		args   []string
		stderr string
		status int
	}{
		{nil, "usage: tcprules rules.cdb rules.tmp", 100},
		{[]string{"a.cdb"}, "usage: tcprules rules.cdb rules.tmp", 100},
		{[]string{"a.cdb", "missing/tmp"}, "fatal: unable to create missing/tmp: file does not exist", 111},
		{[]string{"a.cdb", "."}, "fatal: unable to create .: is a directory", 111},
		{[]string{"missing/a.cdb", "tmp"}, "fatal: unable to move tmp to missing/a.cdb: file does not exist", 111},
		{[]string{"a.cdb/x", "tmp"}, "fatal: unable to move tmp to a.cdb/x: not a directory", 111},
		{[]string{"a.cdb", "/dev/full"}, "fatal: unable to write to /dev/full: out of disk space", 111},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			dir := t.TempDir()
			put(t, dir, "a.cdb", "the old one")
			want := itself.Result{Stderr: "tcprules: " + tt.stderr + "\n", Status: tt.status}
			if got := run(t, dir, good, tt.args...); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if got := get(t, dir, "a.cdb"); got != "the old one" {
				t.Errorf("the database is now %q", got)
			}
		})
	}
}

func TestNoInput(t *testing.T) {
	cmd := itself.Command(t, "a.cdb", "a.tmp")
	cmd.Dir = t.TempDir()
	dir, err := os.Open(cmd.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	cmd.Stdin = dir
	want := itself.Result{Stderr: "tcprules: fatal: unable to read input: is a directory\n", Status: 111}
	if got := itself.Run(t, cmd); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
