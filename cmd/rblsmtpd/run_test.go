package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"doorward/cmd/internal/lean"
)

// A result is what can be seen of one run.
type result struct {
	stdout, stderr string
	exit           int
}

func (r result) String() string {
	return fmt.Sprintf("exit %d, %q, log %q", r.exit, r.stdout, r.stderr)
}

var pid = regexp.MustCompile(`pid [0-9]+`)

// runIn runs rblsmtpd in dir with nothing but env in its environment, and
// takes its process id out of what it says.
func runIn(t *testing.T, dir, stdin string, env []string, args ...string) result {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Dir, cmd.Env = dir, append([]string{"RBLSMTPD_TEST=1"}, env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{stdout.String(), pid.ReplaceAllString(stderr.String(), "pid PID"), cmd.ProcessState.ExitCode()}
}

const path = "PATH=/bin:/usr/bin"

func TestMistakesExit100(t *testing.T) {
	tests := []struct{ line, stderr string }{
		{"", usage},
		{"-z true", "rblsmtpd: illegal option -- z\n" + usage},
		{"-b -r", "rblsmtpd: option requires an argument -- r\n" + usage},
	}
	for _, tt := range tests {
		want := result{"", tt.stderr + "\n", 100}
		if got := runIn(t, "", "", []string{path, "RBLSMTPD=no"}, strings.Fields(tt.line)...); got != want {
			t.Errorf("%q: got %v; want %v", tt.line, got, want)
		}
	}
}

// RBLSMTPD speaks before any list is asked.
func TestRBLSMTPD(t *testing.T) {
	const dialogue = "HELO x\r\nRCPT TO:<a@b>\r\nquit\r\n"
	tests := []struct {
		value, client string
		args          []string
		want          result
		why           string
	}{
		{"", "192.0.2.7", []string{"-c", "-r", "rbl.invalid", "env"},
			result{path + "\nTCPREMOTEIP=192.0.2.7\nRBLSMTPD=\n", "", 0}, "empty: let past, with its environment"},
		{"no mail", "192.0.2.7", []string{"-b", "true"},
			result{"220 rblsmtpd.local\r\n250 rblsmtpd.local\r\n451 no mail\r\n221 rblsmtpd.local\r\n", "rblsmtpd: 192.0.2.7 pid PID: 451 no mail\n", 0}, "text: refused for now, even with -b"},
		{"-no mail", "192.0.2.7", []string{"-t0", "true"},
			result{"553 no mail\r\n", "rblsmtpd: 192.0.2.7 pid PID: 553 no mail\n", 0}, "a hyphen: refused for good"},
		{"-", "2001:db8::7", []string{"-t0", "true"},
			result{"553 \r\n", "rblsmtpd: 2001:db8::7 pid PID: 553 \n", 0}, "a hyphen alone: no text"},
		{"a\nb\x1b", "c\nd", []string{"-t0", "true"},
			result{"451 a?b?\r\n", "rblsmtpd: c?d pid PID: 451 a?b?\n", 0}, "nothing odd gets into reply or log"},
		{strings.Repeat("m", 300), "", []string{"-t0", "true"},
			result{"451 " + strings.Repeat("m", 200) + "\r\n", "rblsmtpd:  pid PID: 451 " + strings.Repeat("m", 200) + "\n", 0}, "200 bytes of it"},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			got := runIn(t, "", dialogue, []string{path, "TCPREMOTEIP=" + tt.client, "RBLSMTPD=" + tt.value}, tt.args...)
			if got != tt.want {
				t.Errorf("got %v; want %v", got, tt.want)
			}
		})
	}
}

// The program is found as the original finds it, and its errors have the
// original's names.
func TestFindingTheProgram(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("bin/mine", "#!/bin/sh\necho mine\n", 0o755)
	write("other/mine", "#!/bin/sh\necho other\n", 0o644)
	write("noexec", "xx", 0o755)
	write("nointerpreter", "#!/nonexistent/sh\n", 0o755)
	if err := os.Symlink("loop", filepath.Join(dir, "loop")); err != nil {
		t.Fatal(err)
	}
	fatal := func(name, why string) result {
		return result{"", "rblsmtpd: fatal: unable to run " + name + ": " + why + "\n", 111}
	}
	mine := result{"mine\n", "", 0}
	tests := []struct {
		path, name string
		want       result
	}{
		{"PATH=bin", "mine", mine},
		{"PATH=bin", "bin/mine", mine},
		{"PATH=other:bin", "mine", mine}, // what may not be run is passed over
		{"PATH=none:", "bin/mine", mine},
		{"PATH=none:", "noexec", fatal("noexec", "exec format error")}, // an empty directory is this one
		{"X=y", "true", result{}},                                      // without PATH: /bin:/usr/bin
		{"PATH=bin", "nosuch", fatal("nosuch", "file does not exist")},
		{"PATH=", "true", fatal("true", "file does not exist")},
		{"PATH=other", "mine", fatal("mine", "access denied")},
		{"PATH=other:none", "mine", fatal("mine", "access denied")}, // the error that says most
		{"PATH=bin/mine:bin", "mine", fatal("mine", "not a directory")},
		{"PATH=bin", "./nosuch", fatal("./nosuch", "file does not exist")},
		{"PATH=bin", "./other", fatal("./other", "access denied")},
		{"PATH=bin", "./loop", fatal("./loop", "symbolic link loop")},
		{"PATH=bin", "./nointerpreter", fatal("./nointerpreter", "file does not exist")},
		{"PATH=bin", "", fatal("", "access denied")},
	}
	for _, tt := range tests {
		if got := runIn(t, dir, "", []string{tt.path, "RBLSMTPD="}, tt.name); got != tt.want {
			t.Errorf("%s %q: got %v; want %v", tt.path, tt.name, got, tt.want)
		}
	}
}

func TestLean(t *testing.T) { lean.Test(t) }
