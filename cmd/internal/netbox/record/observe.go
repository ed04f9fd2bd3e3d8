package record

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Seen is what /proc shows of a running daemon that does nothing but wait
// for its client. Unlike a [Dump] it is not the daemon's own word, and it has
// the signals, which a program in Go cannot report of itself.
type Seen struct {
	Argv        []string
	Env         map[string]string
	Descriptors []string          // such as "0 socket 1, AF_INET, SOCK_STREAM, blocks"
	Status      map[string]string // SigBlk, SigIgn, SigCgt, Umask, Uid, Gid, Groups, CapEff ...
	Limits      map[string]string // soft and hard, by name
	Nice        int
	Directory   string
	Leads       string // "session and group", "group" or "nothing"
}

// CompareSeen returns every field in which two daemons were started
// differently.
func CompareSeen(want, got *Seen) []Diff {
	d := differ{}
	d.add("argv", want.Argv, got.Argv)
	d.byName("env", want.Env, got.Env)
	d.add("descriptors", want.Descriptors, got.Descriptors)
	d.byName("status", want.Status, got.Status)
	d.byName("limit", want.Limits, got.Limits)
	d.add("nice", want.Nice, got.Nice)
	d.add("directory", want.Directory, got.Directory)
	d.add("leads", want.Leads, got.Leads)
	return d
}

// String lists what is compared, a line for each.
func (s *Seen) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "argv %q, directory %s, leads %s, nice %d", s.Argv, s.Directory, s.Leads, s.Nice)
	for _, n := range slices.Sorted(maps.Keys(s.Env)) {
		fmt.Fprintf(&b, "\n\t%s=%s", n, s.Env[n])
	}
	for _, d := range s.Descriptors {
		fmt.Fprintf(&b, "\n\tdescriptor %s", d)
	}
	for _, n := range slices.Sorted(maps.Keys(s.Status)) {
		fmt.Fprintf(&b, "\n\t%s: %s", n, s.Status[n])
	}
	fmt.Fprintf(&b, "\n\tand %d resource limits, Max open files: %s", len(s.Limits), s.Limits["Max open files"])
	return b.String()
}
