package acl_test

import (
	"reflect"
	"testing"

	"doorward/acl"
)

// A fact is asked for once, whoever wants it and however often.
func TestGetAsksOnce(t *testing.T) {
	n := 0
	r := &acl.Request{Ask: func(f acl.Fact) acl.Answer { n++; return acl.Answer{Status: acl.Found, Text: f.Arg} }}
	for range 3 {
		if a := r.Get(acl.Listed, "zone.example"); a.Text != "zone.example" {
			t.Errorf("got %v", a)
		}
	}
	if _, ok := r.Known(acl.Name, ""); ok || n != 1 {
		t.Errorf("asked %d times; name known: %v", n, ok)
	}
	r.Learn(acl.Listed, "zone.example", acl.Answer{Status: acl.Absent})
	if a := r.Get(acl.Listed, "zone.example"); a.Status != acl.Absent || n != 1 {
		t.Errorf("got %v after Learn, asked %d times", a, n)
	}
}

func TestGetWithoutAsk(t *testing.T) {
	if a := new(acl.Request).Get(acl.Name, ""); a != (acl.Answer{}) {
		t.Errorf("got %v, want Unknown", a)
	}
}

func TestAll(t *testing.T) {
	rule := func(n int) acl.Pos { return acl.Pos{File: "f", Line: n} }
	fixed := func(d acl.Decision) acl.Policy { return acl.Func(func(*acl.Request) acl.Decision { return d }) }
	sets := func(name string) acl.Decision {
		return acl.Decision{Verdict: acl.Allow, Rule: rule(1), Env: []acl.Setenv{{Name: name}},
			Options: []acl.Option{{Key: "spawn", Env: 1}}}
	}
	wantsA := acl.Func(func(r *acl.Request) acl.Decision {
		if _, ok := r.Getenv("A"); !ok {
			return acl.Decision{}
		}
		return acl.Decision{Verdict: acl.Deny, Rule: rule(9)}
	})
	never := acl.Func(func(*acl.Request) acl.Decision { t.Error("asked after a denial"); return acl.Decision{} })
	tests := []struct {
		name string
		ps   acl.All
		want acl.Decision
	}{
		{"nobody decides", nil, acl.Decision{}},
		{"one who passes changes nothing", acl.All{fixed(sets("A")), fixed(acl.Decision{})}, sets("A")},
		{"the first denial ends it", acl.All{fixed(acl.Decision{Verdict: acl.Deny, Rule: rule(2)}), never},
			acl.Decision{Verdict: acl.Deny, Rule: rule(2)}},
		{"a later policy sees what an earlier one set", acl.All{fixed(sets("A")), wantsA},
			acl.Decision{Verdict: acl.Deny, Rule: rule(9), Env: []acl.Setenv{{Name: "A"}}, Options: []acl.Option{{Key: "spawn", Env: 1}}}},
		{"an option keeps its place in the environment", acl.All{fixed(sets("A")), fixed(sets("B"))},
			acl.Decision{Verdict: acl.Allow, Rule: rule(1), Env: []acl.Setenv{{Name: "A"}, {Name: "B"}},
				Options: []acl.Option{{Key: "spawn", Env: 1}, {Key: "spawn", Env: 2}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &acl.Request{}
			if got := tt.ps.Decide(r); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
			if len(r.Env) != 0 {
				t.Errorf("request left with %v", r.Env)
			}
		})
	}
}
