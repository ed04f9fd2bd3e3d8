package launcher_test

import (
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"doorward/acl"
	"doorward/launcher"
)

// handOn gives a new port what an old one knew, as text.
func handOn(t interface{ Fatal(...any) }, old *launcher.Port, limits launcher.Limits, now time.Time) *launcher.Port {
	text, err := json.Marshal(old.Memory(now))
	if err != nil {
		t.Fatal(err)
	}
	var m launcher.Memory
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	next := new(launcher.Port)
	next.Gate.Set(limits)
	next.Recall(m, now)
	return next
}

// Nobody can tell by the rate whether the port was handed on in between.
func TestMemoryOfRates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := launcher.Limits{Rate: launcher.Rate{Count: rapid.IntRange(1, 3).Draw(t, "count"), Period: 10 * time.Second}}
		now := time.Unix(1e9, 0)
		one, many := new(launcher.Port), new(launcher.Port)
		one.Gate.Set(limits)
		many.Gate.Set(limits)
		for range rapid.IntRange(1, 50).Draw(t, "visits") {
			now = now.Add(time.Duration(rapid.IntRange(0, 4000).Draw(t, "ms")) * time.Millisecond)
			if rapid.Bool().Draw(t, "hand on") {
				many = handOn(t, many, limits, now)
			}
			who := netip.AddrFrom4([4]byte{192, 0, 2, byte(rapid.IntRange(1, 3).Draw(t, "who"))})
			if got, want := many.Gate.Enter(who, now), one.Gate.Enter(who, now); got != want {
				t.Fatalf("%v: got %v, want %v", who, got, want)
			}
		}
	})
}

// What is handed on is bounded, and has nobody in it who has the whole
// allowance.
func TestMemoryIsBounded(t *testing.T) {
	var p launcher.Port
	p.Gate.Set(launcher.Limits{Rate: launcher.Rate{Count: 1, Period: time.Hour}})
	now := time.Unix(1e9, 0)
	for n := range 200_000 {
		p.Gate.Enter(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), now)
	}
	if n := len(p.Memory(now).Sources); n < 1<<15 || n > 1<<16 {
		t.Errorf("%d sources", n)
	}
	if n := len(p.Memory(now.Add(time.Hour)).Sources); n != 0 {
		t.Errorf("%d sources after their time", n)
	}
}

// Sensors keep out whom those before them did, for as long, and there is room
// for no more than in one.
func TestSightings(t *testing.T) {
	var old, next launcher.Sensors
	start := time.Unix(1e9, 0)
	rule := acl.Pos{File: "/etc/xinetd.conf", Line: 7}
	old.Add(netip.MustParseAddr("192.0.2.1"), rule, start, time.Minute)
	old.Add(netip.MustParseAddr("192.0.2.2"), rule, start, time.Hour)
	old.Add(netip.MustParseAddr("2001:db8::3"), rule, start, launcher.Forever)
	now := start.Add(time.Minute)
	text, err := json.Marshal(old.Sightings(now))
	if err != nil {
		t.Fatal(err)
	}
	var sightings []launcher.Sighting
	if err := json.Unmarshal(text, &sightings); err != nil || len(sightings) != 2 {
		t.Fatalf("got %s, %v", text, err)
	}
	next.Recall(sightings)
	for _, tt := range []struct {
		addr  string
		after time.Duration
		want  acl.Verdict
	}{
		{"192.0.2.1", 0, acl.Pass}, // its time is over
		{"192.0.2.2", 0, acl.Deny},
		{"192.0.2.2", time.Hour, acl.Pass},
		{"2001:db8::4", 1000 * time.Hour, acl.Deny},
	} {
		p := next.Policy(func() time.Time { return now.Add(tt.after) })
		d := p.Decide(&acl.Request{Remote: netip.AddrPortFrom(netip.MustParseAddr(tt.addr), 1)})
		if d.Verdict != tt.want || d.Verdict == acl.Deny && d.Rule != rule {
			t.Errorf("%s after %v: %v by %v, want %v", tt.addr, tt.after, d.Verdict, d.Rule, tt.want)
		}
	}

	many := make([]launcher.Sighting, 1<<16+7)
	for n := range many {
		many[n].Client = netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
	}
	next.Recall(many)
	if n := len(next.Sightings(now)); n > 1<<16 {
		t.Errorf("%d clients", n)
	}
}
