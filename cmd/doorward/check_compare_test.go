//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"doorward/cmd/internal/sandbox"
)

// The test binary is the inside of a sandbox, too.
func init() { sandbox.Main() }

// equivalents say which of our codes tell what a warning of tcpdchk tells.
var equivalents = []struct{ original, codes string }{
	{`no such process name`, "NO-DAEMON"},
	{`service possibly not wrapped`, "UNGUARDED"},
	{`daemon name (begins|ends)`, "DAEMON"},
	{`user name (begins|ends)`, "USER"},
	{`reserved word|FAIL is no longer|use EXCEPT`, "RESERVED"},
	{`list is empty`, "EMPTY"},
	{`empty netgroup`, "NO-NETGROUP SYNTAX"},
	{`host not found`, "NO-HOST NUMBER BRACKET"},
	{`name lookup failed`, "NO-NAME NUMBER"},
	{`host name/`, "FORGED"},
	{`hostname alias|official name`, "ALIAS"},
	{`more than one address|consider using`, "ADDRESSES"},
	{`bad net/mask`, "MASK MASK-ONES V4-LEN0"},
	{`host name ends in dot`, "NAME-PREFIX"},
	{`network number begins`, "SUFFIX-NUMERIC"},
	{`unknown user`, "NO-USER"},
	{`unknown group`, "NO-GROUP"},
	{`unrecognized %`, "ESCAPE"},
	{`inetd.conf, line`, "INETD"},
	{`No such file`, "NO-BANNERS"},
	{`missing newline`, "NONL"},
	{`missing ":"|option|bad |memory allocation`, "SYNTAX"},
}

// exceptions are warnings of tcpdchk that are mistakes of its own.
var exceptions = []struct{ original, reason string }{
	{`[*?]\S*: (host not found|no such process)`, "tcpdchk takes patterns with wildcards for names"},
	{`line \d+: \d+: no such process`, "tcpdchk takes a port for the name of a daemon"},
	{`set[gu]id\(`, "tcpdchk becomes the user it checks, if it may"},
}

var (
	originalLine = regexp.MustCompile(`^tcpdchk: (?:warning|error): (\S+), line (\d+): `)
	ourLine      = regexp.MustCompile(`^(\S+?):(\d+): .* \[([A-Z0-9-]+)\]$`)
)

// Whatever tcpdchk warns of, check warns of, too: at the same line of the same
// file, and of the same.
func TestCompareTcpdchk(t *testing.T) {
	tcpdchk, err := exec.LookPath("tcpdchk")
	switch {
	case os.Getenv("DOORWARD_COMPARE") != "1":
		t.Skip("needs DOORWARD_COMPARE=1 and tcpdchk(8)")
	case err != nil:
		t.Skip("needs tcpdchk(8)")
	case os.Getuid() != 0:
		t.Skip("needs root")
	}
	matched, excepted := 0, 0
	for _, file := range checkArchives(t) {
		dir, etc := unpack(t, file)
		results, err := sandbox.Run(etc, sandbox.Command{Args: []string{tcpdchk, "-d", "-i", "inetd.conf"}, Dir: dir}, ourCheck(t, dir))
		if err != nil {
			t.Fatal(err)
		}
		out := results[1].Stdout
		for _, warning := range results[0].Log {
			switch {
			case slices.Contains(strings.Fields(codesOf(warning)), codeAt(warning, out)):
				matched++
			case exception(warning) != "":
				excepted++
			default:
				t.Errorf("%s: not matched: %s\nours:\n%s", file, warning, out)
			}
		}
	}
	t.Logf("tcpdchk: %d warnings matched, %d mistakes of its own", matched, excepted)
}

// What check says about files of every kind is in the file called golden of
// each archive; DIR stands for its directory.
func TestCheckSaysAsBefore(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	for _, file := range checkArchives(t) {
		dir, etc := unpack(t, file)
		results, err := sandbox.Run(etc, ourCheck(t, dir))
		if err != nil {
			t.Skipf("needs to make namespaces: %v", err)
		}
		golden(t, file, strings.ReplaceAll(results[0].Stdout, dir, "DIR"))
	}
}

func checkArchives(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/tcpdchk/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	return files
}

// unpack writes the files of an archive, and returns those of /etc.
func unpack(t *testing.T, file string) (dir string, etc map[string]string) {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	etc = map[string]string{"host.conf": "multi on\n", "nsswitch.conf": "hosts: files\nnetgroup: files\n"}
	for _, f := range archive.Files {
		text := strings.ReplaceAll(string(f.Data), "DIR", dir)
		if name, ok := strings.CutPrefix(f.Name, "etc/"); ok {
			etc[name] = text
		} else if err := os.WriteFile(filepath.Join(dir, f.Name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cutLastNewline(t, filepath.Join(dir, "hosts.deny"))
	return dir, etc
}

func ourCheck(t *testing.T, dir string) sandbox.Command {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return sandbox.Command{Args: []string{self, "check", "-hosts-allow", "hosts.allow", "-hosts-deny", "hosts.deny", "-inetd", "inetd.conf"},
		Dir: dir, Env: []string{actAsDoorward + "=1"}}
}

// cutLastNewline leaves the last line without a newline, if it is for that.
func cutLastNewline(t *testing.T, file string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if text, ok := strings.CutSuffix(string(b), "last\n"); ok {
		if err := os.WriteFile(file, []byte(text+"last"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func codesOf(warning string) string {
	for _, k := range equivalents {
		if regexp.MustCompile(k.original).MatchString(warning) {
			return k.codes
		}
	}
	return ""
}

func exception(warning string) string {
	for _, e := range exceptions {
		if regexp.MustCompile(e.original).MatchString(warning) {
			return e.reason
		}
	}
	return ""
}

// codeAt returns one of our codes for the line of a warning, which tells what
// it tells if one of them does. tcpdchk places a line without a newline one
// line too high: it has not read it.
func codeAt(warning, out string) (code string) {
	m := originalLine.FindStringSubmatch(warning)
	if m == nil {
		return ""
	}
	line, _ := strconv.Atoi(m[2])
	if strings.Contains(warning, "missing newline") {
		line++
	}
	for text := range strings.Lines(out) {
		o := ourLine.FindStringSubmatch(strings.TrimSuffix(text, "\n"))
		if o == nil || o[1] != m[1] || o[2] != strconv.Itoa(line) {
			continue
		}
		if code = o[3]; slices.Contains(strings.Fields(codesOf(warning)), code) {
			return code
		}
	}
	return code
}
