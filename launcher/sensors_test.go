package launcher_test

import (
	"net/netip"
	"testing"
	"time"

	"doorward/acl"
	"doorward/launcher"
)

// Whoever was seen is kept out for its time, by the rule that has it so; the
// neighbours are not, but for those of an IPv6 /64.
func TestSensors(t *testing.T) {
	var s launcher.Sensors
	start := time.Unix(1e9, 0)
	rule := acl.Pos{File: "/etc/xinetd.conf", Line: 7}
	s.Add(netip.MustParseAddr("192.0.2.7"), rule, start, 2*time.Minute)
	s.Add(netip.MustParseAddr("2001:db8::7"), rule, start, launcher.Forever)
	tests := []struct {
		addr  string
		after time.Duration
		want  acl.Verdict
	}{
		{"192.0.2.7", 0, acl.Deny},
		{"192.0.2.8", 0, acl.Pass},
		{"192.0.2.7", 2*time.Minute - 1, acl.Deny},
		{"192.0.2.7", 2 * time.Minute, acl.Pass},
		{"192.0.2.7", 0, acl.Pass}, // forgotten by now
		{"2001:db8::8", 0, acl.Deny},
		{"2001:db8::7", 200 * 365 * 24 * time.Hour, acl.Deny},
		{"2001:db8:0:1::7", 0, acl.Pass},
	}
	for _, tt := range tests {
		p := s.Policy(func() time.Time { return start.Add(tt.after) })
		d := p.Decide(&acl.Request{Remote: netip.AddrPortFrom(netip.MustParseAddr(tt.addr), 1)})
		if d.Verdict != tt.want || d.Verdict == acl.Deny && d.Rule != rule {
			t.Errorf("%s after %v: %v by %v, want %v", tt.addr, tt.after, d.Verdict, d.Rule, tt.want)
		}
	}
}

// Memory is bounded; whose time is over makes room.
func TestSensorsAreBounded(t *testing.T) {
	var s launcher.Sensors
	start := time.Unix(1e9, 0)
	n := 0
	add := func(now time.Time) bool {
		n++
		return s.Add(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), acl.Pos{}, now, time.Minute)
	}
	for range 1 << 16 {
		if !add(start) {
			t.Fatalf("no room for %d", n)
		}
	}
	if add(start) {
		t.Error("there is no end")
	}
	if !add(start.Add(time.Minute)) {
		t.Error("no room when all times are over")
	}
}
