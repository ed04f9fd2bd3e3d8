package run

import (
	"slices"
	"testing"

	"doorward/acl"
)

func TestEnviron(t *testing.T) {
	base := []string{"A=1", "B=2", "odd", "A=3"}
	for _, tt := range []struct {
		set  []acl.Setenv
		want []string
	}{
		{nil, base},
		{[]acl.Setenv{{Name: "C", Value: ""}}, []string{"A=1", "B=2", "odd", "A=3", "C="}},
		{[]acl.Setenv{{Name: "A", Value: "x=y"}}, []string{"B=2", "odd", "A=x=y"}},
		{[]acl.Setenv{{Name: "B", Value: "1"}, {Name: "B", Value: "2"}}, []string{"A=1", "odd", "A=3", "B=2"}},
		{[]acl.Setenv{{Name: "B", Value: "1"}, {Name: "B", Unset: true}}, []string{"A=1", "odd", "A=3"}},
		{[]acl.Setenv{{Name: "B", Unset: true}, {Name: "B", Value: "1"}}, []string{"A=1", "odd", "A=3", "B=1"}},
	} {
		if got := Environ(base, tt.set); !slices.Equal(got, tt.want) {
			t.Errorf("%v: got %q, want %q", tt.set, got, tt.want)
		}
	}
	if !slices.Equal(base, []string{"A=1", "B=2", "odd", "A=3"}) {
		t.Errorf("base is now %q", base)
	}
}
