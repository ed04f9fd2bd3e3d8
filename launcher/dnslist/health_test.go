package dnslist_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"doorward/launcher/dnslist"
)

const listed4 = "2.0.0.127." // how every list is asked for 127.0.0.2

// Whatever a list does wrong, it lists nobody, is switched off, and one line
// in the log says why.
func TestAListThatFailsItsExaminationListsNobody(t *testing.T) {
	tests := []struct {
		zone  zone
		put   string
		why   string
		addrs string // of 127.0.0.2
	}{
		{zone{every: "127.0.0.2"}, "", "it has 127.0.0.1, which no list has", ""},
		{zone{empty: true}, "127.0.0.2", "it does not have 127.0.0.2, which every list has", ""},
		{zone{every: "127.255.255.254"}, "127.0.0.2", "127.0.0.1: the list refuses our questions (127.255.255.254)", ""},
		{zone{}, "127.0.0.2", "127.0.0.2: the list refuses our questions (127.255.255.255)", "127.255.255.255"},
		{zone{every: "203.0.113.80"}, "127.0.0.2", "127.0.0.1: not a list's answer (203.0.113.80)", ""},
		{zone{fail: errors.New("SERVFAIL")}, "", "127.0.0.1: SERVFAIL", ""},
		{zone{delay: time.Minute}, "", "127.0.0.1: context deadline exceeded", ""},
		{zone{every: strings.Repeat("127.0.0.2 ", 33)}, "", "127.0.0.1: more addresses than a list gives", ""},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			bubble(t, func(t *testing.T, ctx context.Context) {
				w := newWorld()
				w.set("a.example", tt.zone)
				w.put("7.2.0.192.a.example", tt.put)
				w.put(listed4+"a.example", tt.addrs)
				e, n := engine(w)
				l := lists(t, "a.example", "")
				if got := decide(e, l, "192.0.2.7"); got != "pass" {
					t.Errorf("a client who comes first: %q", got)
				}
				time.Sleep(10 * time.Second)
				if s := e.Status()[0].IPv4; s.State != dnslist.Off || s.Why != tt.why {
					t.Errorf("%v: %q, want %q", s.State, s.Why, tt.why)
				}
				for range 20 {
					if got := decide(e, l, "192.0.2.7"); got != "pass" {
						t.Errorf("another client: %q", got)
					}
				}
				if got := n.take("for IPv4: switched off"); len(got) != 1 || !strings.HasSuffix(got[0], strings.TrimPrefix(tt.why, "127.0.0.1: ")) {
					t.Errorf("log %q", got)
				}
				w.questions("")
				decide(e, l, "192.0.2.9")
				if got := w.questions("A "); len(got) != 0 {
					t.Errorf("asked a list that is off: %v", got)
				}
			})
		})
	}
}

func TestAnAllowListOverQuotaAllowsNobodyAndLeavesADoubt(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		w := newWorld()
		w.set("a.example", zone{})
		w.set("w.example", zone{every: "127.0.10.3"})
		w.put("7.2.0.192.a.example", "127.0.0.2")
		e, n := engine(w)
		l := lists(t, "a.example", "w.example")
		for range 2 {
			if got := decide(e, l, "192.0.2.7"); got != "4 192.0.2.7 is listed by a.example" {
				t.Error(got)
			}
			time.Sleep(time.Second)
		}
		if got := n.take("w.example for IPv4: switched off"); len(got) != 1 || !strings.Contains(got[0], "over quota (127.0.10.3)") {
			t.Errorf("log %q", got)
		}
	})
}

func TestAListThatKnowsNoIPv6IsNotAskedAboutIPv6(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		w := newWorld()
		w.set("a.example", zone{empty: true})
		w.put(listed4+"a.example", "127.0.0.2")
		w.put("7.2.0.192.a.example", "127.0.0.2")
		e, _ := engine(w)
		l := lists(t, "a.example", "")
		e.Use(l)
		go e.Run(ctx)
		time.Sleep(time.Second)
		s := e.Status()[0]
		if s.IPv4.State != dnslist.On || s.IPv6.State != dnslist.Off || s.IPv6.Why != "it does not have ::ffff:7f00:2, which every list has" {
			t.Errorf("%+v", s)
		}
		w.questions("")
		decide(e, l, "2001:db8::7")
		if got := w.questions(""); len(got) != 0 {
			t.Errorf("asked %v", got)
		}
		if got := decide(e, l, "192.0.2.7"); got[0] != '5' {
			t.Error(got)
		}
	})
}

// Examinations at the start and every 30 minutes, as RFC 5782 has them.
func TestExaminationsAreRegular(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		w := newWorld()
		w.set("a.example", zone{})
		e, n := engine(w)
		e.Use(lists(t, "a.example", ""))
		go e.Run(ctx)
		time.Sleep(29 * time.Minute)
		zeros := strings.Repeat("0.", 20) + "a.example"
		want := fmt.Sprint([]string{"A 1.0.0.0.0.0.f.7.f.f.f.f." + zeros, "A 1.0.0.127.a.example",
			"A 2.0.0.0.0.0.f.7.f.f.f.f." + zeros, "A 2.0.0.127.a.example"})
		first := w.questions("A ")
		if got := fmt.Sprint(first[:4]); got != want || !strings.HasSuffix(first[4], ".invalid") {
			t.Errorf("at the start: %s %s, want %s", got, first[4:], want)
		}
		time.Sleep(2 * time.Minute)
		if got := w.questions("A "); fmt.Sprint(got[:4]) != want {
			t.Errorf("after 30 minutes: %s, want %s", got, want)
		}
		if len(n.lines) != 0 {
			t.Errorf("log %q", n.lines)
		}
	})
}

// A list that is off is tried after 1, 2, 4 ... 30 minutes, and on again as
// soon as it passes.
func TestAListThatIsOffIsTriedAgain(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		w := newWorld()
		w.set("a.example", zone{fail: errors.New("SERVFAIL")})
		e, n := engine(w)
		l := lists(t, "a.example", "")
		e.Use(l)
		go e.Run(ctx)
		time.Sleep(time.Second)
		w.questions("")
		for _, after := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
			time.Sleep(after*time.Minute - 2*time.Second)
			if got := w.questions("A 2.0.0.127"); len(got) != 0 {
				t.Errorf("asked %v before %d minutes", got, after)
			}
			time.Sleep(2 * time.Second)
			if got := w.questions("A 2.0.0.127"); len(got) != 1 {
				t.Errorf("asked %v after %d minutes", got, after)
			}
		}
		if got := n.take("IPv4"); len(got) != 1 {
			t.Errorf("log %q", got)
		}
		w.set("a.example", zone{})
		w.put("7.2.0.192.a.example", "127.0.0.2")
		time.Sleep(31 * time.Minute)
		if got := n.take("IPv4: on again"); len(got) != 1 {
			t.Errorf("log %q", got)
		}
		if got := decide(e, l, "192.0.2.7"); got[0] != '5' {
			t.Error(got)
		}
	})
}

// A list that begins to list the world is found out before it harms anybody,
// and what it said a moment ago is forgotten.
func TestAListThatTurnsBadIsFoundOutByItsNextListing(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		w := newWorld()
		w.set("a.example", zone{})
		w.put("7.2.0.192.a.example", "127.0.0.2")
		e, n := engine(w)
		l := lists(t, "a.example", "")
		if got := decide(e, l, "192.0.2.7"); got[0] != '5' {
			t.Error(got)
		}
		time.Sleep(2 * time.Minute)
		w.set("a.example", zone{every: "127.0.0.2"})
		if got := decide(e, l, "192.0.2.99"); got != "pass" {
			t.Errorf("a client who is not listed: %q", got)
		}
		if got := decide(e, l, "192.0.2.7"); got != "pass" {
			t.Errorf("a kept answer of a list that lies: %q", got)
		}
		if got := n.take("switched off"); len(got) != 1 {
			t.Errorf("log %q", got)
		}
		w.set("a.example", zone{})
		time.Sleep(2 * time.Minute)
		decide(e, l, "192.0.2.8") // without Run it is a client who has it examined
		synctest.Wait()
		if got := decide(e, l, "192.0.2.7"); got[0] != '5' {
			t.Errorf("well again: %q", got)
		}
	})
}

func TestAListThatStopsAnsweringIsSwitchedOff(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		w := newWorld()
		w.set("a.example", zone{})
		e, n := engine(w)
		l := lists(t, "a.example", "")
		decide(e, l, "192.0.2.1")
		synctest.Wait() // examined
		w.set("a.example", zone{delay: time.Hour})
		for i := range 9 {
			decide(e, l, fmt.Sprintf("192.0.2.%d", 10+i))
		}
		if s := e.Status()[0].IPv4; s.State != dnslist.On || s.Failed != 9 {
			t.Errorf("after 9 failures: %+v", s)
		}
		decide(e, l, "192.0.2.20")
		if got := n.take("no answer to 10 questions in a row"); len(got) != 1 {
			t.Errorf("log %q", got)
		}
		start := time.Now()
		decide(e, l, "192.0.2.21")
		if took := time.Since(start); took != 0 {
			t.Errorf("still waiting: %v", took)
		}
	})
}

func TestAListThatRefusesUsIsSwitchedOffAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		w := newWorld()
		w.set("a.example", zone{})
		e, n := engine(w)
		l := lists(t, "a.example", "")
		decide(e, l, "192.0.2.1")
		synctest.Wait() // examined
		w.set("a.example", zone{every: "127.255.255.255"})
		if got := decide(e, l, "192.0.2.7"); got != "pass" {
			t.Error(got)
		}
		if got := n.take("switched off, it lists nobody: the list refuses our questions (127.255.255.255)"); len(got) != 1 {
			t.Errorf("log %q", got)
		}
	})
}

// A resolver with an advertisement for every name that does not exist costs
// neither a client its mail nor a list its place.
func TestAResolverThatRewritesIsSeenThrough(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		w := newWorld()
		w.set("invalid", zone{every: "203.0.113.80 203.0.113.81"})
		w.set("a.example", zone{every: "203.0.113.81"})
		w.put("7.2.0.192.a.example", "127.0.0.2")
		e, n := engine(w)
		l := lists(t, "a.example", "")
		e.Use(l)
		go e.Run(ctx)
		for range 2 {
			if got := decide(e, l, "192.0.2.7"); got != "5 192.0.2.7 is listed by a.example" {
				t.Error(got)
			}
			if got := decide(e, l, "192.0.2.8"); got != "pass" {
				t.Error(got)
			}
			time.Sleep(time.Hour)
		}
		if got := fmt.Sprint(e.Counts().Rewriting); got != "[203.0.113.80 203.0.113.81]" {
			t.Error(got)
		}
		if got := n.take(""); len(got) != 1 || !strings.Contains(got[0], "203.0.113.80 203.0.113.81 to names that do not exist") {
			t.Errorf("log %q", got)
		}
		w.set("invalid", zone{})
		w.set("a.example", zone{})
		time.Sleep(time.Hour)
		if got := n.take("no longer"); len(got) != 1 || e.Counts().Rewriting != nil {
			t.Errorf("log %q", got)
		}
	})
}

// One that rewrites to an address that a list could give makes every list
// fail.
func TestAResolverThatRewritesToAListingSwitchesListsOff(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		w := newWorld()
		w.set("invalid", zone{every: "127.0.0.2"})
		w.set("a.example", zone{every: "127.0.0.2"})
		e, n := engine(w)
		if got := decide(e, lists(t, "a.example", ""), "192.0.2.8"); got != "pass" {
			t.Error(got)
		}
		if got := n.take("127.0.0.1, which no list has"); len(got) != 1 {
			t.Errorf("log %q", got)
		}
	})
}
