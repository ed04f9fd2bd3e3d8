package xinetd_test

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"doorward/acl"
	"doorward/acl/onlyfrom"
	"doorward/launcher/xinetd"
)

var update = flag.Bool("update", false, "write what is found into the corpus, for a human to read")

// The corpus: one file for each attribute, operator and mistake, each with
// what comes of it.
func TestCorpus(t *testing.T) {
	for _, name := range corpus(t) {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			text, files := archive(t, name)
			got := outcome(xinetd.Load("/xinetd.conf", host(files)))
			if *update {
				rest, _, _ := strings.Cut(text, "-- want --\n")
				if err := os.WriteFile(name, []byte(rest+"-- want --\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != files["want"] {
				t.Errorf("got:\n%s\nwant:\n%s", got, files["want"])
			}
		})
	}
}

func corpus(t testing.TB) []string {
	names, err := filepath.Glob("../../testdata/xinetd/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatal("no corpus", err)
	}
	return names
}

// archive takes a txtar archive apart: after a comment, each file follows a
// line "-- NAME --".
func archive(t testing.TB, name string) (text string, files map[string]string) {
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	files = map[string]string{}
	file := ""
	for line := range strings.Lines(string(b)) {
		if next, ok := strings.CutPrefix(line, "-- "); ok && strings.HasSuffix(next, " --\n") {
			file = strings.TrimSuffix(next, " --\n")
			files[file] = ""
			continue
		}
		files[file] += line
	}
	return string(b), files
}

// outcome writes a configuration down: a line for each service with what is
// not as in plain, then mistakes and warnings in the order of the lines.
func outcome(c *xinetd.Config, err error) string {
	var b strings.Builder
	for _, s := range c.Services {
		fmt.Fprintf(&b, "%s %d: %s%s\n", s.ID, s.Port, state(s), fields(s))
	}
	for _, e := range sorted(flat(err)) {
		fmt.Fprintf(&b, "mistake: %v\n", e)
	}
	for _, w := range sorted(c.Warnings) {
		fmt.Fprintf(&b, "warning: %v\n", w)
	}
	return strings.ReplaceAll(b.String(), "/xinetd.conf:", "")
}

func state(s *xinetd.Service) string {
	switch {
	case s.Disabled:
		return "disabled"
	case !s.Startable():
		return "does not start"
	}
	return "starts"
}

// plain is what a service of the corpus is if it says no more than it must.
var plain = xinetd.Service{
	Unlisted: true, SocketType: "stream", Protocol: "tcp", Cred: &xinetd.Credential{},
	Server: "/bin/true", Argv: []string{"true"}, Daemon: "true", Rules: []string{"hosts"},
}

func fields(s *xinetd.Service) string {
	if !s.Startable() {
		return ""
	}
	var b strings.Builder
	v, p := reflect.ValueOf(s).Elem(), reflect.ValueOf(&plain).Elem()
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() || slices.Contains([]string{"Name", "ID", "Pos", "Port", "Access"}, f.Name) {
			continue
		}
		if x := v.Field(i).Interface(); !reflect.DeepEqual(x, p.Field(i).Interface()) {
			fmt.Fprintf(&b, " %s=%s", f.Name, value(x))
		}
	}
	return b.String() + access(" only_from", s.Access.Only) + access(" no_access", s.Access.No)
}

func access(name string, l *onlyfrom.List) string {
	if l == nil {
		return ""
	}
	texts := []string{}
	for _, w := range l.Words() {
		texts = append(texts, w.Text)
	}
	return fmt.Sprintf("%s=%v", name, texts)
}

func value(x any) string {
	switch x := x.(type) {
	case *int:
		return fmt.Sprintf("%04o", *x)
	case *xinetd.Credential:
		if x == nil {
			return "none"
		}
		return fmt.Sprint(*x)
	case []string:
		return fmt.Sprintf("%q", x)
	case string:
		return fmt.Sprintf("%q", x)
	}
	return fmt.Sprint(x)
}

// flat takes a joined error apart.
func flat(err error) (es []*acl.SyntaxError) {
	switch e := err.(type) {
	case nil:
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			es = append(es, flat(err)...)
		}
	case *acl.SyntaxError:
		es = append(es, e)
	default:
		panic(fmt.Sprintf("%T without a place: %v", err, err))
	}
	return es
}

func sorted(es []*acl.SyntaxError) []*acl.SyntaxError {
	return slices.SortedStableFunc(slices.Values(es), func(a, b *acl.SyntaxError) int {
		if c := strings.Compare(a.Pos.File, b.Pos.File); c != 0 {
			return c
		}
		return a.Pos.Line - b.Pos.Line
	})
}

// A tree is a file system with names that begin with a slash.
type tree struct{ fstest.MapFS }

func (t tree) ReadFile(name string) ([]byte, error)       { return t.MapFS.ReadFile(rel(name)) }
func (t tree) ReadDir(name string) ([]fs.DirEntry, error) { return t.MapFS.ReadDir(rel(name)) }
func (t tree) Stat(name string) (fs.FileInfo, error)      { return t.MapFS.Stat(rel(name)) }

func rel(name string) string { return strings.Trim(name, "/") }

// host is a machine with a few users and programs, looked at by root.
func host(files map[string]string) xinetd.Host {
	m := fstest.MapFS{
		"bin/true":   {Mode: 0o755},
		"etc/motd":   {Mode: 0o644},
		"dev/random": {Mode: 0o755 | fs.ModeCharDevice},
	}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	users := map[string]xinetd.User{
		"root":   {UID: 0, GID: 0, Groups: []uint32{0}},
		"nobody": {UID: 65534, GID: 65534, Groups: []uint32{65534}},
		"mail":   {UID: 8, GID: 12, Groups: []uint32{12, 100}},
		"8":      {UID: 8, GID: 12, Groups: []uint32{12, 100}},
	}
	groups := map[string]uint32{"mail": 12, "users": 100}
	return xinetd.Host{
		FS:    tree{m},
		User:  func(name string) (xinetd.User, bool) { u, ok := users[name]; return u, ok },
		Group: func(name string) (uint32, bool) { g, ok := groups[name]; return g, ok },
		Port:  xinetd.ParseServices("smtp 25/tcp mail # e-mail\nsmtp 25/udp\nbroken\nworse 1234567/tcp\n\t# c\ntftp 69/udp\n"),
	}
}

// Whatever the text, nothing panics, every mistake has a place, and a service
// whose entry has a mistake in it does not start.
func FuzzParse(f *testing.F) {
	for _, name := range corpus(f) {
		_, files := archive(f, name)
		f.Add(files["xinetd.conf"])
	}
	f.Fuzz(func(t *testing.T, src string) {
		h := host(map[string]string{"inc/a": src})
		c, err := xinetd.Parse("/xinetd.conf", src, h)
		bad := flat(err)
		for _, e := range bad {
			if e.Pos.File == "" || e.Pos.Line == 0 {
				t.Errorf("no place: %v", e)
			}
		}
		for s := range c.Startable {
			if s.Err() != nil || s.ID == "" || s.Port == 0 || !s.Internal && s.Redirect == nil && (s.Server == "" || len(s.Argv) == 0 || s.Cred == nil) {
				t.Errorf("starts: %+v", s)
			}
			for a := range s.Attributes {
				if slices.ContainsFunc(bad, func(e *acl.SyntaxError) bool { return e.Pos == a.Pos }) {
					t.Errorf("starts with a mistake at %v", a.Pos)
				}
			}
		}
		if d := xinetd.Diff(c, c); len(d) != 0 {
			t.Errorf("not what it is: %v", d)
		}
	})
}

// Files of real machines, whose licences keep them out of here, against what
// xinetd made of them with its servers and users in place: they are in the
// directory DOORWARD_XINETD_CORPUS, with a table of what xinetd said.
func TestConformance(t *testing.T) {
	dir := os.Getenv("DOORWARD_XINETD_CORPUS")
	if dir == "" {
		t.Skip("DOORWARD_XINETD_CORPUS is not set")
	}
	table, err := os.ReadFile(filepath.Join(dir, "oracle.tsv"))
	if err != nil {
		t.Skip(err)
	}
	same, n := 0, 0
	differ := map[string][]string{} // files, by the reason
	for _, row := range strings.Split(strings.TrimSpace(string(table)), "\n")[1:] {
		cols := strings.Split(row, "\t")
		src, err := os.ReadFile(filepath.Join(dir, cols[0]))
		if err != nil {
			continue // the table has more than the directory
		}
		n++
		mistakes := realMistakes(string(src))
		accepted := strings.HasPrefix(cols[7], "accept") || strings.HasPrefix(cols[7], "warn")
		reason := onPurpose(string(src), accepted, mistakes)
		switch {
		case accepted == (len(mistakes) == 0):
			same++
		case reason != "":
			differ[reason] = append(differ[reason], cols[0])
		default:
			t.Errorf("%s: xinetd: %s %s; doorward: %v", cols[0], cols[7], cols[8], mistakes)
		}
	}
	purpose := 0
	for reason, files := range differ {
		purpose += len(files)
		t.Logf("on purpose: %d: %s: %s", len(files), reason, strings.Join(files, " "))
	}
	t.Logf("conformance xinetd: %d of %d files (%d on purpose)", same+purpose, n, purpose)
	if n == 0 {
		t.Error("no files")
	}
}

// onPurpose says why a file is not judged as xinetd does, or nothing.
func onPurpose(src string, accepted bool, mistakes []*acl.SyntaxError) string {
	all := func(reason string) bool {
		return len(mistakes) > 0 && !slices.ContainsFunc(mistakes, func(e *acl.SyntaxError) bool { return !strings.Contains(e.Error(), reason) })
	}
	switch {
	case accepted && all("refused for UDP"):
		return "the small services are refused over UDP"
	case accepted && all("want service, defaults, include or includedir"):
		return "lines outside of an entry are mistakes: xinetd drops the limits in them"
	case !accepted && len(mistakes) == 0 && strings.Contains(src, "redirect"):
		return "the host of a redirect is looked up for each client, not once"
	}
	return ""
}

// realMistakes parses a file as the oracle did: enabled, nothing included, on
// a machine that has every program, user and group and the ports of listed
// services.
func realMistakes(src string) []*acl.SyntaxError {
	var b strings.Builder
	for line := range strings.Lines(src) {
		words := strings.Fields(line)
		switch {
		case len(words) > 0 && strings.HasPrefix(words[0], "include"):
			b.WriteString("#\n")
		case len(words) > 2 && words[0] == "disable":
			b.WriteString("disable = no\n")
		default:
			b.WriteString(line)
		}
	}
	_, err := xinetd.Parse("/f", b.String(), xinetd.Host{
		FS:    everything{},
		User:  func(string) (xinetd.User, bool) { return xinetd.User{UID: 1, GID: 1}, true },
		Group: func(string) (uint32, bool) { return 1, true },
		Port:  func(string, string) (uint16, bool) { return 0, false },
	})
	// A port that only services(5) of the oracle had is no mistake of the file.
	return slices.DeleteFunc(flat(err), func(e *acl.SyntaxError) bool { return strings.Contains(e.Error(), "services(5)") })
}

// everything is a file system that has every program.
type everything struct{ tree }

func (everything) Stat(string) (fs.FileInfo, error) {
	return fs.Stat(fstest.MapFS{"x": {Mode: 0o755}}, "x")
}
