package dnslist_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"doorward/acl"
	"doorward/launcher/dnslist"
)

// engine returns an engine in w, and its log.
func engine(w *world) (*dnslist.Engine, *notes) {
	n := new(notes)
	return dnslist.New(dnslist.Config{Lookup: dnslist.LookupFunc(w.Lookup), Log: n.add}), n
}

func TestAllListsAreAskedAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		w := newWorld()
		for _, z := range []string{"a.example", "b.example", "c.example", "w.example"} {
			w.set(z, zone{delay: time.Second})
		}
		e, _ := engine(w)
		l := lists(t, "a.example b.example c.example", "w.example")
		start := time.Now()
		if got := decide(e, l, "192.0.2.7"); got != "pass" {
			t.Error(got)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %v", took)
		}
		synctest.Wait()
		want := "[A 7.2.0.192.a.example A 7.2.0.192.b.example A 7.2.0.192.c.example A 7.2.0.192.w.example]"
		if got := fmt.Sprint(w.questions("A 7.2.0.192.")); got != want {
			t.Errorf("asked %s, want %s", got, want)
		}
	})
}

func TestTheRequestLearnsAllAnswersFromTheFirst(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		w := newWorld()
		w.set("a.example", zone{delay: time.Second}) // after b.example: nobody waits for more than it takes to decide
		w.set("b.example", zone{fail: errors.New("SERVFAIL")})
		w.put("7.2.0.192.a.example", "127.0.0.2 127.0.0.4")
		w.texts["7.2.0.192.a.example"] = "Listed, see http://a.example/192.0.2.7"
		e, _ := engine(w)
		l := lists(t, "a.example b.example", "")
		r := &acl.Request{Remote: netip.MustParseAddrPort("[::ffff:192.0.2.7]:1")}
		e.Attach(ctx, r, l)
		want := acl.Answer{Status: acl.Found, Text: "127.0.0.2 127.0.0.4\nListed, see http://a.example/192.0.2.7"}
		if got := r.Get(acl.Listed, "a.example"); got != want {
			t.Errorf("got %q", got)
		}
		if got, ok := r.Known(acl.Listed, "b.example"); !ok || got.Status != acl.Failed {
			t.Errorf("b.example: %v %v", got, ok)
		}
		if got := r.Get(acl.Listed, "c.example"); got != (acl.Answer{}) {
			t.Errorf("a list of no policy: %v", got)
		}
	})
}

// Attach leaves other facts to whoever was there before.
func TestAttachAddsToAnAsk(t *testing.T) {
	ctx := t.Context()
	e, _ := engine(newWorld())
	r := &acl.Request{Remote: netip.MustParseAddrPort("192.0.2.7:1")}
	e.Attach(ctx, r, lists(t, "a.example", ""))
	if a := r.Get(acl.Name, ""); a != (acl.Answer{}) {
		t.Errorf("nobody before: %v", a)
	}
	r = &acl.Request{Remote: netip.MustParseAddrPort("192.0.2.7:1"), Ask: func(f acl.Fact) acl.Answer { return acl.Answer{Status: acl.Found, Text: "mx.example.net"} }}
	e.Attach(ctx, r, lists(t, "a.example", ""))
	if a := r.Get(acl.Name, ""); a.Text != "mx.example.net" {
		t.Errorf("somebody before: %v", a)
	}
}

// Nobody waits for an answer that can change nothing.
func TestDecidedAsSoonAsCertain(t *testing.T) {
	tests := []struct {
		block, allow string
		want         string
		took         time.Duration
		why          string
	}{
		{"fast.example slow.example", "", "5 192.0.2.7 is listed by fast.example", 20 * time.Millisecond, "one is enough"},
		{"fast.example*2 slow.example", "w.example", "5 192.0.2.7 is listed by fast.example", 20 * time.Millisecond, "the allow list is outweighed"},
		{"fast.example", "w.example", "5 192.0.2.7 is listed by fast.example", 2 * time.Second, "the allow list might outweigh"},
		{"none.example", "slow.example", "pass", 10 * time.Millisecond, "nothing to outweigh"},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			bubble(t, func(t *testing.T, ctx context.Context) {
				w := newWorld()
				w.set("fast.example", zone{delay: 10 * time.Millisecond})
				w.set("none.example", zone{delay: 10 * time.Millisecond})
				w.set("w.example", zone{delay: 2 * time.Second})
				w.set("slow.example", zone{delay: 2 * time.Second})
				w.put("7.2.0.192.fast.example", "127.0.0.2")
				e, _ := engine(w)
				l := lists(t, tt.block, tt.allow)
				e.Use(l)
				go e.Run(ctx)
				time.Sleep(5 * time.Second) // examined
				start := time.Now()
				if got := decide(e, l, "192.0.2.7"); got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
				if took := time.Since(start); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
			})
		})
	}
}

func TestEqualQuestionsInFlightAreAskedOnce(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		w := newWorld()
		w.set("a.example", zone{delay: time.Second})
		e, _ := engine(w)
		l := lists(t, "a.example=127.0.0.2*2 a.example=127.0.0.3", "") // one list under two weights, too
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { decide(e, l, "192.0.2.7") })
		}
		wg.Wait()
		if got := w.questions("A 7."); len(got) != 1 {
			t.Errorf("asked %v", got)
		}
	})
}

func TestNoMoreQuestionsAtOnceThanAllowed(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		w := newWorld()
		w.set("a.example", zone{delay: 20 * time.Millisecond})
		n := new(notes)
		e := dnslist.New(dnslist.Config{Lookup: dnslist.LookupFunc(w.Lookup), Log: n.add, MaxQuestions: 10})
		l := lists(t, "a.example", "")
		var wg sync.WaitGroup
		start := time.Now()
		for i := range 500 {
			wg.Go(func() { decide(e, l, netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)}).String()) })
		}
		wg.Wait()
		if took := time.Since(start); took != time.Second {
			t.Errorf("500 questions, 10 at once, 20 ms each: took %v", took)
		}
		const examination = 2*2 + 1 // both families, and the resolver
		if w.most > 10+examination {
			t.Errorf("%d at once", w.most)
		}
		synctest.Wait()
		if c := e.Counts(); c.Asking != 0 || c.Waiting != 0 || c.Cached != 500 {
			t.Errorf("%+v", c)
		}
	})
}

// Questions that cannot be asked in time are not asked at all, and no list is
// blamed for them.
func TestAnOverloadIsNobodysFault(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		w := newWorld()
		w.set("a.example", zone{delay: 2 * time.Second})
		n := new(notes)
		e := dnslist.New(dnslist.Config{Lookup: dnslist.LookupFunc(w.Lookup), Log: n.add, MaxQuestions: 1})
		l := lists(t, "a.example", "")
		start := time.Now()
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				d := fmt.Sprintf("192.0.2.%d", i)
				if got := decide(e, l, d); got != "pass" {
					t.Error(got)
				}
			})
		}
		wg.Wait()
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("somebody waited %v", took)
		}
		time.Sleep(10 * time.Second)
		if got := w.questions("A "); len(got) > 3+5 {
			t.Errorf("asked %v", got)
		}
		if s := e.Status()[0].IPv4; s.State == dnslist.Off || s.Failed > 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestNobodyWaitsLongerThanTheTimeout(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		w := newWorld()
		w.set("a.example", zone{delay: time.Hour})
		w.set("b.example", zone{delay: 4 * time.Second})
		e := dnslist.New(dnslist.Config{Lookup: dnslist.LookupFunc(w.Lookup), ListTimeout: time.Minute})
		l := lists(t, "a.example b.example", "")
		w.put("7.2.0.192.b.example", "127.0.0.2")
		start := time.Now()
		if got := decide(e, l, "192.0.2.7"); got != "pass" { // b answers in time, but is not examined in time
			t.Error(got)
		}
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("took %v", took)
		}
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		r := &acl.Request{Remote: netip.MustParseAddrPort("192.0.2.8:1")}
		e.Attach(ctx, r, l)
		start = time.Now()
		l.Decide(r)
		if took := time.Since(start); took != time.Second {
			t.Errorf("a client with a second to live waited %v", took)
		}
		time.Sleep(2 * time.Minute)
	})
}

func TestAnswersAreKeptAsLongAsTheyMay(t *testing.T) {
	tests := []struct {
		ttl, kept time.Duration
		why       string
	}{
		{10 * time.Minute, 10 * time.Minute, "as the DNS says"},
		{0, 5 * time.Minute, "as the DNS says"},
		{time.Second, time.Minute, "at least a minute"},
		{-time.Hour, time.Minute, "at least a minute"},
		{1 << 31 * time.Second, time.Hour, "at most an hour"},
	}
	for _, tt := range tests {
		for _, listed := range []bool{false, true} {
			bubble(t, func(t *testing.T, ctx context.Context) {
				w := newWorld()
				w.set("a.example", zone{ttl: tt.ttl})
				if listed {
					w.put("7.2.0.192.a.example", "127.0.0.2")
				}
				e, _ := engine(w)
				l := lists(t, "a.example", "")
				first := decide(e, l, "192.0.2.7")
				w.questions("")
				time.Sleep(tt.kept - time.Millisecond)
				if got := decide(e, l, "192.0.2.7"); got != first {
					t.Errorf("%v: %q, then %q", tt.ttl, first, got)
				}
				if got := w.questions("A 7."); len(got) != 0 {
					t.Errorf("%v: asked %v too early", tt.ttl, got)
				}
				time.Sleep(time.Millisecond)
				decide(e, l, "192.0.2.7")
				if got := w.questions("A 7."); len(got) != 1 {
					t.Errorf("%v: asked %v, want %s", tt.ttl, got, tt.why)
				}
			})
		}
	}
}

func TestAFailureIsKeptForAMoment(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		w := newWorld()
		w.set("a.example", zone{fail: errors.New("SERVFAIL")})
		e, n := engine(w)
		l := lists(t, "a.example", "")
		decide(e, l, "192.0.2.7")
		decide(e, l, "192.0.2.7")
		if got := w.questions("A 7."); len(got) != 1 {
			t.Errorf("asked %v", got)
		}
		synctest.Wait()
		if got := n.take("SERVFAIL"); len(got) == 0 {
			t.Error("nothing in the log")
		}
	})
}

func TestExplain(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		w := newWorld()
		w.set("a.example", zone{delay: time.Second})
		w.set("b.example", zone{delay: 2 * time.Second})
		w.set("c.example", zone{fail: errors.New("SERVFAIL"), delay: time.Second / 2}) // asked before its examination ends
		w.put("7.2.0.192.a.example", "127.0.0.4")
		e, _ := engine(w)
		l := lists(t, "a.example*3 b.example c.example", "")
		want := []string{
			"a.example*3 7.2.0.192.a.example listed true 127.0.0.4, kept 5m0s, took 2s, error <nil>", // an address, a text
			"b.example*1 7.2.0.192.b.example listed false invalid IP, kept 5m0s, took 2s, error <nil>",
			"c.example*1 7.2.0.192.c.example listed false invalid IP, kept 3.5s, took 500ms, error SERVFAIL",
		}
		for i, x := range e.Explain(ctx, netip.MustParseAddr("192.0.2.7"), l) {
			got := fmt.Sprintf("%s*%d %s listed %v %v, kept %v, took %v, error %v", x.Zone.Name, x.Zone.Weight, x.Name, x.Outcome.Listed, x.Outcome.Code, x.TTL, x.Took, x.Err)
			if got != want[i] {
				t.Errorf("got  %s\nwant %s", got, want[i])
			}
		}
		if x := e.Explain(ctx, netip.MustParseAddr("192.0.2.7"), l)[0]; x.Took != 0 || !x.Outcome.Listed {
			t.Errorf("again: %+v", x)
		}
		if x := e.Explain(ctx, netip.Addr{}, l); x != nil {
			t.Errorf("nobody: %v", x)
		}
	})
}

func TestParseServers(t *testing.T) {
	got, err := dnslist.ParseServers(acl.Pos{File: "x.conf", Line: 2}, "127.0.0.1, 192.0.2.53:5353 [2001:db8::53]:5353\t::1 ns.example 127.0.0.1:0")
	if s := fmt.Sprint(got); s != "[127.0.0.1:53 192.0.2.53:5353 [2001:db8::53]:5353]" {
		t.Error(s)
	}
	for _, want := range []string{`x.conf:2: "::1": more than 3 servers`, `x.conf:2: "ns.example": want the address of a DNS server`, `x.conf:2: "127.0.0.1:0"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %s in %v", want, err)
		}
	}
	if got, err := dnslist.ParseServers(acl.Pos{}, ""); len(got) != 0 || err != nil {
		t.Error(got, err)
	}
}

// A reload keeps what is known about the lists that stay.
func TestUse(t *testing.T) {
	bubble(t, func(t *testing.T, ctx context.Context) {
		w := newWorld()
		w.set("a.example", zone{})
		e, _ := engine(w)
		a, b := lists(t, "a.example b.example", ""), lists(t, "c.example a.example", "")
		e.Use(a)
		decide(e, a, "192.0.2.7")
		e.Use(b)
		var zones []string
		for _, s := range e.Status() {
			zones = append(zones, fmt.Sprintf("%s %d", s.Zone, s.IPv4.Asked))
		}
		if want := []string{"c.example 0", "a.example 1"}; !slices.Equal(zones, want) {
			t.Errorf("got %v, want %v", zones, want)
		}
	})
}

// Whatever is in the file, there are at most three servers, each with a port,
// and each word is understood or named.
func FuzzParseServers(f *testing.F) {
	for _, s := range []string{"", "127.0.0.1", "[::1]:53, 192.0.2.53:0", "fe80::1%eth0", "a b c d", "1.2.3.4:99999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		got, err := dnslist.ParseServers(acl.Pos{}, src)
		if len(got) > 3 {
			t.Errorf("%d servers", len(got))
		}
		for _, s := range got {
			if !s.IsValid() || s.Port() == 0 {
				t.Errorf("server %v", s)
			}
		}
		if words := strings.Fields(strings.ReplaceAll(src, ",", " ")); len(got) < len(words) && err == nil && isASCII(src) {
			t.Errorf("%q: %d of %d words, no error", src, len(got), len(words))
		}
	})
}

func isASCII(s string) bool { return !strings.ContainsFunc(s, func(c rune) bool { return c > '~' }) }

// Who has no place in the queue is not asked about, and the log says so once
// for as long as it lasts.
func TestAnOverloadIsLoggedOnce(t *testing.T) {
	const queue, more = 1 << 16, 500
	bubble(t, func(t *testing.T, ctx context.Context) {
		w := newWorld()
		w.set("a.example", zone{delay: 100 * time.Millisecond})
		n := new(notes)
		e := dnslist.New(dnslist.Config{Lookup: dnslist.LookupFunc(w.Lookup), Log: n.add, MaxQuestions: 1000})
		l := lists(t, "a.example", "")
		decide(e, l, "192.0.2.7")
		for range 2 {
			var wg sync.WaitGroup
			for i := range queue + 1000 + more {
				a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
				wg.Go(func() {
					if got := decide(e, l, a.String()); got != "pass" {
						t.Error(got)
					}
				})
			}
			wg.Wait()
			time.Sleep(10 * time.Second)
			for text, want := range map[string]int{"more questions than can be asked": 1, "can be asked again": 1, "switched off": 0} {
				n.mu.Lock()
				if got := slices.DeleteFunc(slices.Clone(n.lines), func(s string) bool { return !strings.Contains(s, text) }); len(got) != want {
					t.Errorf("%q: %d lines, want %d", text, len(got), want)
				}
				n.mu.Unlock()
			}
			n.take("")
			if c := e.Counts(); c.Waiting != 0 || c.Asking != 0 {
				t.Errorf("%+v", c)
			}
			time.Sleep(2 * time.Hour) // nothing is kept any more
		}
	})
}
