//go:build !forkexec

package run

import (
	"testing"

	"golang.org/x/sys/unix"
)

// A plan is used again: the long program before must leave nothing in it.
func TestPlanForgets(t *testing.T) {
	pl := new(plan)
	long := &Program{Path: "/a", Argv: []string{"a", "b", "c"}, Dir: "/", Umask: new(0), Nice: 1, Setsid: true,
		Cred: &Credential{Groups: []uint32{1, 2}}, Limits: []Limit{{unix.RLIMIT_CPU, 1, 1}}}
	for _, p := range []*Program{{Path: "/b"}, long} {
		fresh := new(plan)
		if err := fresh.prepare(p, [3]int{5, 5, 2}, []string{"E=1"}); err != nil {
			t.Fatal(err)
		}
		pl.failed.errno = 1
		if err := pl.prepare(p, [3]int{5, 5, 2}, []string{"E=1"}); err != nil {
			t.Fatal(err)
		}
		if pl.n != fresh.n || pl.failed.errno != 0 || string(pl.text) != string(fresh.text) || len(pl.pointer) != len(fresh.pointer) {
			t.Errorf("%s: used %d ops %q, fresh %d ops %q", p.Path, pl.n, pl.text, fresh.n, fresh.text)
		}
		pl.prepare(long, [3]int{7, 8, 9}, []string{"F=22", "G=33"})
	}
}

// More settings than a plan has room for are an error, not a write past it.
func TestPlanIsBounded(t *testing.T) {
	p := &Program{Path: "/a", Dir: "/", Umask: new(0), Nice: 1, Setsid: true, Cred: &Credential{}}
	for len(p.Limits) < maxOps/2 {
		p.Limits = append(p.Limits, Limit{unix.RLIMIT_CPU, 1, 1})
	}
	pl := new(plan)
	if err := pl.prepare(p, [3]int{5, 5, 2}, nil); err != nil {
		t.Error(err)
	}
	p.Limits = append(p.Limits, Limit{})
	if err := pl.prepare(p, [3]int{5, 5, 2}, nil); err == nil {
		t.Error("one more: no error")
	}
}
