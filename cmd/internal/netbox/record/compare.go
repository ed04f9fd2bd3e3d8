package record

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// A Diff is one field in which a replay is not as recorded.
type Diff struct {
	Field     string
	Want, Got string
}

func (d Diff) String() string { return fmt.Sprintf("%s: want %s, got %s", d.Field, d.Want, d.Got) }

// Early and Late bound how far from the recorded second the end of a
// connection may be; what was recorded is rounded, and a machine may be busy.
const (
	Early = 0.7
	Late  = 2.5
)

// Compare returns every field in which r is not what c expects.
func Compare(c *Case, r *Result) []Diff {
	if r.Error != "" {
		return []Diff{{"replay", "an answer", r.Error}}
	}
	e, d := &c.Expect, differ{}
	if e.Outcome != "" {
		d.add("outcome", e.Outcome, r.Outcome())
	}
	d.add("exit", e.Exit, r.Exit)
	d.add("received", e.Received, r.Received)
	d.seconds(e.Seconds, r.Seconds)
	d.add("syslog", lines(e.Syslog), lines(r.Syslog))
	d.byName("out_files", e.OutFiles, r.OutFiles)
	if !c.Oidentd {
		d.add("ident_queries", some(e.Ident), some(r.Ident))
	}
	if e.DNS != nil {
		d.add("dns_queries", lines(*e.DNS), lines(r.DNS))
	}
	if e.Stderr != nil {
		d.add("stderr", *e.Stderr, r.Stderr)
	}
	if e.Stdout != nil {
		d.add("stdout", *e.Stdout, r.Stdout)
	}
	for i, got := range r.Others {
		d.add(fmt.Sprintf("received by connection %d", i+1), e.Received, got)
	}
	d.daemon(&e.Daemon, r.Dump)
	return d
}

type differ []Diff

// add notes field if want and got differ.
func (d *differ) add(field string, want, got any) {
	if !reflect.DeepEqual(want, got) {
		*d = append(*d, Diff{field, show(want), show(got)})
	}
}

func (d *differ) seconds(want, got float64) {
	if got < want-Early || got > want+Late {
		*d = append(*d, Diff{"seconds", fmt.Sprint(want), fmt.Sprintf("%.2f", got)})
	}
}

// byName compares two maps, and notes each name by itself.
func (d *differ) byName(field string, want, got map[string]string) {
	names := slices.Sorted(maps.Keys(want))
	for _, n := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[n]; !ok {
			names = append(names, n)
		}
	}
	for _, n := range names {
		d.add(field+" "+n, value(want, n), value(got, n))
	}
}

func (d *differ) daemon(want *Daemon, got *Dump) {
	switch {
	case want.Argv == nil && got == nil:
		return
	case want.Argv == nil:
		d.add("daemon", "not executed", fmt.Sprintf("executed as %q", got.Argv))
		return
	case got == nil:
		d.add("daemon", fmt.Sprintf("executed as %q", want.Argv), "not executed")
		return
	}
	d.add("argv", want.Argv, got.Argv)
	d.byName("env", want.Env, got.Env)
	d.add("names twice in the environment", []string{}, some(got.Twice))
	d.add("uid", want.UID, got.UID)
	d.add("gid", want.GID, got.GID)
	d.add("groups", some(want.Groups), some(got.Groups))
	d.add("umask", want.Umask, got.Umask)
	d.add("nice", want.Nice, got.Nice)
	d.add("keepalive", want.Keepalive, got.Keepalive)
	d.add("linger", want.Linger, got.Linger)
	d.add("nodelay", want.NoDelay, got.NoDelay)
}

// Descriptors checks what no corpus records and every daemon may rely on:
// descriptors 0, 1 and 2 are open and block, and no other is open.
func Descriptors(r *Result) []Diff {
	if r.Dump == nil {
		return nil
	}
	d := differ{}
	d.add("open descriptors", []int{0, 1, 2}, r.Dump.Open)
	d.add("descriptors that do not block", []int{}, some(r.Dump.NonBlock))
	return d
}

func (r *Result) logged(part string) bool {
	return slices.ContainsFunc(r.Syslog, func(l [2]string) bool { return strings.Contains(l[1], part) })
}

// some makes nothing the same as an empty list.
func some[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func lines(pairs [][2]string) []string {
	s := make([]string, len(pairs))
	for i, p := range pairs {
		s[i] = p[0] + " " + p[1]
	}
	return s
}

func value(m map[string]string, name string) any {
	if v, ok := m[name]; ok {
		return v
	}
	return nil
}

func show(v any) string {
	if v == nil {
		return "nothing"
	}
	s := fmt.Sprintf("%q", v)
	switch v.(type) {
	case int, []int, [2]int:
		s = fmt.Sprint(v)
	}
	if len(s) > 600 {
		s = s[:600] + "..."
	}
	return s
}
