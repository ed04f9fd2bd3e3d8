//go:build linux

package main

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"doorward/cmd/internal/sandbox"
)

var updateGolden = flag.Bool("update", false, "write what explain and check say into testdata")

// Every line of a file in testdata/explain is a command line; what explain
// says to each is in the file called golden. Files below etc need a world of
// their own; the other archives ask no names.
func TestExplainSaysAsBefore(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(here + "/testdata/explain/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, file, explainAll(t, archive))
		})
	}
}

// golden compares got with the last file of an archive, or puts it there.
func golden(t *testing.T, file, got string) {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	last := len(archive.Files) - 1
	if archive.Files[last].Name != "golden" {
		archive.Files = append(archive.Files, txtar.File{Name: "golden"})
		last++
	}
	if *updateGolden {
		archive.Files[last].Data = []byte(got)
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := string(archive.Files[last].Data); got != want {
		t.Errorf("%s: got\n%s\nwant\n%s", filepath.Base(file), got, want)
	}
}

// explainAll runs every command line of an archive.
func explainAll(t *testing.T, archive *txtar.Archive) string {
	t.Helper()
	dir, etc := t.TempDir(), map[string]string{}
	for _, f := range archive.Files {
		if name, ok := strings.CutPrefix(f.Name, "etc/"); ok {
			etc[name] = string(f.Data)
		} else if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lines := strings.Split(strings.TrimSpace(string(archive.Comment)), "\n")
	if len(etc) == 0 {
		t.Chdir(dir)
		return explainHere(t, lines)
	}
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	return explainThere(t, lines, dir, etc)
}

var tables = []string{"explain", "-hosts-allow", "hosts.allow", "-hosts-deny", "hosts.deny"}

func explainHere(t *testing.T, lines []string) string {
	t.Helper()
	var b strings.Builder
	for _, line := range lines {
		b.WriteString("$ " + line + "\n")
		var out strings.Builder
		if err := command(append(tables[:len(tables):len(tables)], strings.Fields(line)...), &out); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		b.WriteString(steady(out.String()))
	}
	return b.String()
}

func explainThere(t *testing.T, lines []string, dir string, etc map[string]string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var commands []sandbox.Command
	for _, line := range lines {
		args := append(append([]string{self}, tables...), strings.Fields(line)...)
		commands = append(commands, sandbox.Command{Args: args, Dir: dir, Env: []string{actAsDoorward + "=1", "PATH=/bin"}})
	}
	results, err := sandbox.Run(etc, commands...)
	if err != nil {
		t.Skipf("needs to make namespaces: %v", err)
	}
	var b strings.Builder
	for i, r := range results {
		b.WriteString("$ " + lines[i] + "\n" + steady(r.Stdout) + r.Stderr)
	}
	return b.String()
}

var seconds = regexp.MustCompile(`in \d+\.\d+ s|"seconds":[^,}]+`)

// steady is text without what changes from one run to the next.
func steady(text string) string {
	return seconds.ReplaceAllStringFunc(text, func(s string) string {
		if strings.HasPrefix(s, "in ") {
			return "in N s"
		}
		return `"seconds":0`
	})
}
