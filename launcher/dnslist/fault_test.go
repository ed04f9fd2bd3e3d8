package dnslist_test

import (
	"flag"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"doorward/acl"
	"doorward/launcher/dnslist"
	"doorward/launcher/internal/dnstest"
)

const (
	listTimeout = 300 * time.Millisecond
	overall     = 500 * time.Millisecond
	busy        = 3 * time.Second // forgiven to a machine that has other work
)

// asker returns an engine that asks s, in a hurry, and its log.
func asker(s *dnstest.Server) (*dnslist.Engine, *notes) {
	n := new(notes)
	return dnslist.New(dnslist.Config{
		Lookup:      dnslist.Stub(dnslist.Servers([]netip.AddrPort{s.Addr}), listTimeout),
		ListTimeout: listTimeout, Timeout: overall, Log: n.add,
	}), n
}

// Each fault alone, over the network: who is not listed gets in, who is listed
// is refused where the list can be heard, nobody waits longer than the time
// allows, and the log says why a list was not heard.
func TestFaults(t *testing.T) {
	for _, f := range faults {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			s := serve(t, listed{"a.example": f}, 0)
			e, n := asker(s)
			l := lists(t, "a.example", "")
			noted := 0
			for _, client := range []string{"192.0.2.8", "192.0.2.7", "192.0.2.7", "2001:db8::7", "192.0.2.9"} {
				r := &acl.Request{Remote: netip.AddrPortFrom(netip.MustParseAddr(client), 40001)}
				e.Attach(t.Context(), r, l)
				start := time.Now()
				d := l.Decide(r)
				if took := time.Since(start); took > overall+busy {
					t.Errorf("%s: took %v", client, took)
				}
				noted += len(d.Notes)
				switch got := word(d); {
				case client != "192.0.2.7" && got != "pass":
					t.Errorf("%s is not listed: %s", client, got)
				case client == "192.0.2.7" && f != dropsHalf && hides[f] == "" && got != "5 because":
					t.Errorf("%s is listed: %s", client, got)
				}
			}
			lines, ok := n.explain("IPv4: ", hides[f])
			if !ok {
				t.Errorf("want %q in the log: %q; %d notes", hides[f], lines, noted)
			}
			if f == rewrites {
				if all, ok := n.explain("DNS: ", "203.0.113.80 to names that do not exist"); !ok {
					t.Errorf("log %q", all)
				}
			}
			if len(lines) > 3 {
				t.Errorf("%d lines in the log: %q", len(lines), lines)
			}
		})
	}
}

// explain waits, as long as examinations take, for a line of the log that has
// place in it and then matches why, and returns the lines that have place.
func (n *notes) explain(place, why string) (lines []string, ok bool) {
	want := regexp.MustCompile(regexp.QuoteMeta(place) + ".*(" + why + ")")
	for end := time.Now().Add(2*listTimeout + busy); ; time.Sleep(20 * time.Millisecond) {
		n.mu.Lock()
		lines = slices.DeleteFunc(slices.Clone(n.lines), func(s string) bool { return !strings.Contains(s, place) })
		n.mu.Unlock()
		if why == "" || slices.ContainsFunc(lines, want.MatchString) {
			return lines, true
		}
		if time.Now().After(end) {
			return lines, false
		}
	}
}

// Faults mixed: five lists, each with one of its own.
func TestFaultsMixed(t *testing.T) {
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		f.Value.Set("25") // a check takes half a second
		defer f.Value.Set(f.DefValue)
	}
	rapid.Check(t, func(rt *rapid.T) {
		zones, names := listed{}, []string{"a.example", "b.example", "c.example", "d.example", "e.example"}
		for _, name := range names {
			zones[name] = rapid.SampledFrom(faults).Draw(rt, name)
		}
		threshold := rapid.IntRange(1, 3).Draw(rt, "threshold")
		s := serve(t, zones, 0)
		e, n := asker(s)
		l := weigh(threshold, names...)
		sound := 0
		for _, f := range zones {
			if hides[f] == "" && f != dropsHalf {
				sound++
			}
		}
		for i := range 3 {
			start := time.Now()
			client := fmt.Sprintf("192.0.2.%d", 7+i)
			got := decide(e, l, client)
			if took := time.Since(start); took > overall+busy {
				rt.Fatalf("%v: %s took %v", zones, client, took)
			}
			if i > 0 && got != "pass" {
				rt.Fatalf("%v: %s is not listed: %s", zones, client, got)
			}
			if i == 0 && sound >= threshold && !strings.HasSuffix(got, "because") {
				rt.Fatalf("%v: %s is listed: %s", zones, client, got)
			}
		}
		for name, f := range zones {
			if lines, ok := n.explain(name+" for IPv4: ", hides[f]); !ok {
				rt.Fatalf("%v: %s: want %q in the log: %q", zones, name, hides[f], lines)
			}
		}
	})
}
