//go:build linux

package netbox

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"doorward/cmd/internal/netbox/record"

	"golang.org/x/sys/unix"
)

// TB is the part of a testing.TB that a [Corpus] needs.
type TB interface {
	Helper()
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Skip(args ...any)
	TempDir() string
}

// A Corpus is a file of recorded connections and the programs that are to do
// what it says.
type Corpus struct {
	Name      string // "e2e_tcpd": the file without its ending
	Ours      []Program
	Originals []Program // what Debian installs; empty if it ships none
	Designs   []Design  // of ours
	Company   []Design  // of those of ours that the originals are run with
}

// A Design is one intended difference. Expect changes what is recorded into
// what we do, and reports whether the difference concerns the case at all. It
// is asked only if a replay is not as recorded; the replay must then be
// exactly what the changed record says, so that nothing else hides behind the
// code.
type Design struct {
	Code   string // as in the README's Differences
	Reason string
	Expect func(c *record.Case, e *record.Expect) bool
}

// Skip skips the test unless it was asked for and can run.
func Skip(t TB) {
	t.Helper()
	switch {
	case os.Getenv("DOORWARD_COMPARE") != "1":
		t.Skip("needs DOORWARD_COMPARE=1")
	case os.Getuid() != 0:
		t.Skip("needs root")
	case !mayMakeNamespaces():
		t.Skip("needs CAP_SYS_ADMIN, as root has it outside of a container")
	}
}

func mayMakeNamespaces() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	err := unix.Capget(&header, &data[0])
	return err == nil && data[0].Effective&(1<<unix.CAP_SYS_ADMIN) != 0
}

// Run replays the corpus, in the directory DOORWARD_CONFORMANCE if that is
// set, with our programs, or with the originals if DOORWARD_ORIGINALS=1, and
// reports each difference that is not by design.
func (corpus Corpus) Run(t TB) {
	t.Helper()
	Skip(t)
	cases := corpus.cases(t)
	programs, designs, who := corpus.Ours, corpus.Designs, ""
	if os.Getenv("DOORWARD_ORIGINALS") == "1" {
		programs, designs, who = corpus.Originals, corpus.Company, " (originals)"
		skipMissing(t, programs)
	}
	built, err := Build(t.TempDir(), append(slices.Clone(programs), identd()...))
	if err != nil {
		t.Fatal(err)
	}
	results, err := ReplayAll(built, cases)
	if err != nil {
		t.Fatal(err)
	}
	same, byDesign := judge(t, designs, cases, results)
	t.Logf("conformance %s%s: %d of %d (%d by design)", corpus.Name, who, same+byDesign, len(cases), byDesign)
}

// cases reads the corpus, without the cases that DOORWARD_CASES, a list of
// ids, does not name, and without those that need what is not installed.
func (corpus Corpus) cases(t TB) []*record.Case {
	t.Helper()
	dir := os.Getenv("DOORWARD_CONFORMANCE")
	if dir == "" {
		dir = filepath.Join("..", "..", "testdata", "conformance")
	}
	all, err := record.Read(filepath.Join(dir, corpus.Name+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	only := strings.Fields(strings.ReplaceAll(os.Getenv("DOORWARD_CASES"), ",", " "))
	return slices.DeleteFunc(all, func(c *record.Case) bool {
		if len(only) > 0 && !slices.Contains(only, c.ID) {
			return true
		}
		if c.Oidentd && len(identd()) == 0 {
			t.Logf("%s %s: skipped, oidentd is not installed", c.ID, c.Tag)
			return true
		}
		return false
	})
}

// identd returns the real ident server if it is installed.
func identd() []Program {
	const path = "/usr/sbin/oidentd"
	if _, err := os.Stat(path); err != nil {
		return nil
	}
	return []Program{{Path: path, File: path}}
}

func skipMissing(t TB, programs []Program) {
	t.Helper()
	if len(programs) == 0 {
		t.Skip("Debian has no original")
	}
	for _, p := range programs {
		if _, err := os.Stat(p.File); p.Package == "" && err != nil {
			t.Skip("not installed:", p.File)
		}
	}
}

// judge compares every result with its case, and counts those that are as
// recorded and those that differ by design.
func judge(t TB, designs []Design, cases []*record.Case, results []*record.Result) (same, byDesign int) {
	t.Helper()
	agreed := make(map[string][]string) // ids, by the reason of the design
	for i, c := range cases {
		diffs := differences(c, results[i])
		if len(diffs) == 0 {
			same++
			continue
		}
		d, rest := design(designs, c, results[i])
		if d.Code != "" && len(rest) == 0 {
			byDesign++
			agreed[d.Reason] = append(agreed[d.Reason], c.ID)
			continue
		}
		if d.Code != "" {
			diffs = rest
		}
		t.Errorf("%s", failure(c, d.Code, diffs))
	}
	for _, d := range designs {
		if ids := agreed[d.Reason]; len(ids) > 0 {
			t.Logf("by design, %s: %d: %s: %s", d.Code, len(ids), d.Reason, strings.Join(ids, " "))
		}
	}
	return same, byDesign
}

func differences(c *record.Case, r *record.Result) []record.Diff {
	return append(record.Compare(c, r), record.Descriptors(r)...)
}

// design looks for the intended difference that concerns c, and returns it and
// in what r is not as that says. The zero Design is none.
func design(designs []Design, c *record.Case, r *record.Result) (found Design, rest []record.Diff) {
	for _, d := range designs {
		changed := *c
		changed.Expect = c.Expect.Clone()
		if !d.Expect(c, &changed.Expect) {
			continue
		}
		rest = differences(&changed, r)
		found = d
		if len(rest) == 0 {
			break
		}
	}
	return found, rest
}

func failure(c *record.Case, code string, diffs []record.Diff) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", c.ID, c.Tag)
	if code != "" {
		fmt.Fprintf(&b, " (even with %s)", code)
	}
	for _, d := range diffs {
		fmt.Fprintf(&b, "\n\t%v", d)
	}
	return b.String()
}
