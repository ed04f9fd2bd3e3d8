package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"doorward/cmd/internal/itself"
)

// programs are tcprules and tcprulescheck, theirs or ours.
type programs struct{ tcprules, tcprulescheck string }

// sides returns the installed programs and ours, from DOORWARD_BIN or built.
func sides(t *testing.T) (theirs, ours programs) {
	t.Helper()
	if os.Getenv("DOORWARD_COMPARE") != "1" {
		t.Skip("needs DOORWARD_COMPARE=1 and the original programs")
	}
	theirs = programs{"/usr/bin/tcprules", "/usr/bin/tcprulescheck"}
	for _, p := range []string{theirs.tcprules, theirs.tcprulescheck} {
		if _, err := os.Stat(p); err != nil {
			t.Skip("needs ", p)
		}
	}
	bin := os.Getenv("DOORWARD_BIN")
	if bin == "" {
		bin = t.TempDir()
		build := exec.Command("go", "build", "-o", bin, "doorward/cmd/tcprules", "doorward/cmd/tcprulescheck")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	return theirs, programs{filepath.Join(bin, "tcprules"), filepath.Join(bin, "tcprulescheck")}
}

// asked is a text and a client of the recorded corpus.
type asked struct {
	ID, Rules      string
	IP, Host, Info *string
	Expect         struct{ Decision string }
}

func corpus(t *testing.T) (cases []asked) {
	t.Helper()
	dir := "../../acl/tcprules/testdata/conformance"
	if d := os.Getenv("DOORWARD_CONFORMANCE"); d != "" {
		dir = d
	}
	f, err := os.Open(filepath.Join(dir, "tcprules.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var c asked
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		cases = append(cases, c)
	}
	return cases
}

// outcome is what compiling and checking came to.
type outcome struct {
	compile itself.Result
	cdb     string
	check   itself.Result
}

// try compiles the rules over an old database and asks about the client.
func (p programs) try(t *testing.T, c asked) outcome {
	t.Helper()
	dir := t.TempDir()
	put(t, dir, "rules.cdb", "the old one")
	cmd := exec.CommandContext(t.Context(), p.tcprules, "rules.cdb", "rules.tmp")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(c.Rules)
	o := outcome{compile: itself.Run(t, cmd), cdb: get(t, dir, "rules.cdb")}
	if o.compile.Status != 0 {
		o.compile.Stderr = lastLine(o.compile.Stderr) // ours has more to say, before
		return o
	}
	cmd = exec.CommandContext(t.Context(), p.tcprulescheck, "rules.cdb")
	cmd.Dir = dir
	cmd.Env = []string{} // not nil, which would be ours
	for name, s := range map[string]*string{"TCPREMOTEIP": c.IP, "TCPREMOTEHOST": c.Host, "TCPREMOTEINFO": c.Info} {
		if s != nil {
			cmd.Env = append(cmd.Env, name+"="+*s)
		}
	}
	o.check = itself.Run(t, cmd)
	return o
}

func lastLine(s string) string {
	trimmed := strings.TrimSuffix(s, "\n")
	return s[strings.LastIndexByte(trimmed, '\n')+1:]
}

// The bytes of the database, the last message, the status and what
// tcprulescheck prints are the originals'. Texts on which the original never
// ends are left out, and so are clients whose rule is a prefix in bits, which
// only ours knows.
func TestCompareTcprules(t *testing.T) {
	theirs, ours := sides(t)
	compared := 0
	for _, c := range corpus(t) {
		if c.Expect.Decision == "hang" {
			continue
		}
		want, got := theirs.try(t, c), ours.try(t, c)
		if isPrefix(got.check.Stdout) && !isPrefix(want.check.Stdout) {
			got.check, want.check = itself.Result{}, itself.Result{}
		}
		if got != want {
			t.Errorf("%s: %q\ngot  %+v\nwant %+v", c.ID, c.Rules, got, want)
		}
		compared++
	}
	t.Logf("%d texts compared", compared)
}

// isPrefix reports whether tcprulescheck found a rule for a prefix in bits.
func isPrefix(stdout string) bool {
	rule, _, _ := strings.Cut(stdout, "\n")
	return strings.HasPrefix(rule, "rule ") && strings.Contains(rule, "/")
}

// Texts that no corpus of rules would have.
func TestCompareTcprulesOddTexts(t *testing.T) {
	theirs, ours := sides(t)
	ip := "1.2.3.4"
	for _, text := range []string{
		"",
		"\n\n#\n",
		":allow", // no newline
		"1.2.3.18446744073709551617-18446744073709551620:deny\n", // 2^64 and up
		"1.2.3.-5:deny\n-3.2.3.4:allow\n1.2.-.:deny\n",
		"1-2-3.:deny\n1.2.3.9-1:deny\n:allow\n",
		"1.2.3.4:allow,A=\x00x\x00,B=\xffy\xff\n",
		"1.2.3.4:allow,A=\"x\x00+B=y\"\n",
		"1.2.3.4:deny\x00\n",
		"1.2.3.4\x00x-5\x006.7:deny\n",
		"\x00:allow\n:deny\n",
		strings.Repeat(":deny\n", 3000),
		strings.Repeat("1.2.3.0-255:deny\n", 20),
		"1.2.3.4:allow,A=\"" + strings.Repeat("x", 100_000) + "\"\n",
		strings.Repeat("a", 100_000) + ":deny\n",
	} {
		c := asked{Rules: text, IP: &ip}
		if want, got := theirs.try(t, c), ours.try(t, c); got != want {
			t.Errorf("%.80q\ngot  %.300q\nwant %.300q", text, []string{got.compile.Stderr, got.check.Stdout}, []string{want.compile.Stderr, want.check.Stdout})
		}
	}
}

// Every error of the system is worded as the original has it.
func TestCompareTcprulesFaults(t *testing.T) {
	theirs, ours := sides(t)
	for _, args := range [][]string{
		{}, {"a"}, {"a", "missing/b"}, {"a", "."}, {"missing/a", "b"}, {"a/b", "b"}, {"a", "/dev/full"},
		{"a", strings.Repeat("b", 300)}, {"a", "loop"}, {"/dev/b", "b"}, {"a", "b", "c"},
	} {
		run := func(program string) itself.Result {
			dir := t.TempDir()
			put(t, dir, "a", "the old one")
			if err := os.Symlink("loop", filepath.Join(dir, "loop")); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), program, args...)
			cmd.Dir, cmd.Stdin = dir, bytes.NewReader(nil)
			return itself.Run(t, cmd)
		}
		if want, got := run(theirs.tcprules), run(ours.tcprules); got != want {
			t.Errorf("%q: got %+v, want %+v", args, got, want)
		}
		if want, got := run(theirs.tcprulescheck), run(ours.tcprulescheck); lastLine(got.Stderr) != want.Stderr || got.Status != want.Status {
			t.Errorf("tcprulescheck %q: got %+v, want %+v", args, got, want)
		}
	}
}
