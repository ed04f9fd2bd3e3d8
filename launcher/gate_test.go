package launcher_test

import (
	"context"
	"errors"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"doorward/launcher"
)

var (
	one = netip.MustParseAddr("192.0.2.1")
	two = netip.MustParseAddr("192.0.2.2")
)

func TestGatePerSource(t *testing.T) {
	var g launcher.Gate
	g.Set(launcher.Limits{PerSource: 1})
	if err := g.Enter(one, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := g.Enter(one, time.Now()); !errors.Is(err, launcher.ErrSource) {
		t.Errorf("second from the same address: got %v", err)
	}
	if err := g.Enter(two, time.Now()); err != nil {
		t.Errorf("another address: got %v", err)
	}
	g.Leave(one)
	if err := g.Enter(one, time.Now()); err != nil {
		t.Errorf("after leaving: got %v", err)
	}
}

// The clients of one prefix count together, also those that were in before
// the limit and its prefix were set.
func TestGatePerPrefix(t *testing.T) {
	var g launcher.Gate
	enter := func(addr string, want error) {
		t.Helper()
		if err := g.Enter(netip.MustParseAddr(addr), time.Now()); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", addr, err, want)
		}
	}
	enter("2001:db8::1", nil)
	g.Set(launcher.Limits{PerPrefix: 2, PrefixV4: 24})
	enter("2001:db8::2", nil)
	enter("2001:db8::3", launcher.ErrPrefix)
	enter("2001:db8:0:1::3", nil)
	enter("192.0.2.1", nil)
	enter("192.0.2.2", nil)
	enter("192.0.2.3", launcher.ErrPrefix)
	enter("198.51.100.3", nil)
	g.Set(launcher.Limits{PerPrefix: 2}) // each IPv4 address by itself, now
	enter("192.0.2.3", nil)
	g.Leave(netip.MustParseAddr("2001:db8::1"))
	enter("2001:db8::3", nil)
}

// Whoever waits at a full gate goes on when somebody leaves, and when the
// limit is raised.
func TestGateWait(t *testing.T) {
	for name, release := range map[string]func(*launcher.Gate){
		"somebody leaves":     func(g *launcher.Gate) { g.Leave(one) },
		"the limit is raised": func(g *launcher.Gate) { g.Set(launcher.Limits{Max: 2}) },
		"the limit goes":      func(g *launcher.Gate) { g.Set(launcher.Limits{}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var g launcher.Gate
				g.Set(launcher.Limits{Max: 1})
				g.Enter(one, time.Now())
				var through atomic.Bool
				go func() { through.Store(g.Wait(t.Context()) == nil) }()
				synctest.Wait()
				if through.Load() {
					t.Fatal("through a full gate")
				}
				release(&g)
				synctest.Wait()
				if !through.Load() {
					t.Error("still waits")
				}
			})
		})
	}
}

func TestGateWaitEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g launcher.Gate
		g.Set(launcher.Limits{Max: 1})
		g.Enter(one, time.Now())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := g.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

// Of many who try at once, no more get in than may.
func TestGateIsStrict(t *testing.T) {
	var g launcher.Gate
	g.Set(launcher.Limits{Max: 3})
	var in atomic.Int32
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if err := g.Enter(one, time.Now()); err == nil {
				in.Add(1)
			} else if !errors.Is(err, launcher.ErrFull) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := in.Load(); n != 3 {
		t.Errorf("%d got in, want 3", n)
	}
}

// A gate that everybody has left holds on to nobody.
func TestGateForgets(t *testing.T) {
	var g launcher.Gate
	for i := range 1000 {
		a := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		g.Enter(a, time.Now())
		defer func() {
			g.Leave(a)
			if n, _ := g.Running(); n == 0 && g.Sources() != 0 {
				t.Errorf("%d addresses kept", g.Sources())
			}
		}()
	}
}

// A source may come as often as it may at once, then again when a part of the
// period has passed; IPv6 addresses of one /64 are one source.
func TestGateRate(t *testing.T) {
	start := time.Unix(1e9, 0)
	in := func(g *launcher.Gate, addr string, at time.Duration) bool {
		a := netip.MustParseAddr(addr)
		err := g.Enter(a, start.Add(at))
		if err != nil && !errors.Is(err, launcher.ErrRate) {
			t.Error(err)
		}
		if err == nil {
			g.Leave(a)
		}
		return err == nil
	}
	tests := []struct {
		addr string
		at   time.Duration
		want bool
	}{
		{"192.0.2.1", 0, true},
		{"192.0.2.1", 0, true},
		{"192.0.2.1", 0, false},               // two in 10 s
		{"192.0.2.2", 0, true},                // somebody else
		{"192.0.2.1", 4 * time.Second, false}, // half of the period has not passed
		{"192.0.2.1", 5 * time.Second, true},  // being turned away has not counted
		{"192.0.2.1", 6 * time.Second, false},
		{"192.0.2.1", 40 * time.Second, true}, // all is forgotten, and no more than that
		{"192.0.2.1", 40 * time.Second, true},
		{"192.0.2.1", 40 * time.Second, false},
		{"2001:db8::1", 40 * time.Second, true},
		{"2001:db8::2", 40 * time.Second, true},
		{"2001:db8::3", 40 * time.Second, false},
		{"2001:db8:0:1::3", 40 * time.Second, true},
	}
	var g launcher.Gate
	g.Set(launcher.Limits{Rate: launcher.Rate{Count: 2, Period: 10 * time.Second}})
	for _, tt := range tests {
		if got := in(&g, tt.addr, tt.at); got != tt.want {
			t.Errorf("%s after %v: let in: %v, want %v", tt.addr, tt.at, got, tt.want)
		}
	}
}

// In no stretch of time does a source come more often than the bucket and
// what ran into it allow; and whoever keeps to the rate is never turned away.
func TestGateRateBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := launcher.Rate{Count: rapid.IntRange(1, 5).Draw(t, "count"), Period: time.Second}
		var g launcher.Gate
		g.Set(launcher.Limits{Rate: r})
		now, times := time.Unix(1e9, 0), []time.Time{}
		for range rapid.IntRange(1, 60).Draw(t, "tries") {
			now = now.Add(time.Duration(rapid.IntRange(0, 400).Draw(t, "ms")) * time.Millisecond)
			if g.Enter(one, now) == nil {
				times = append(times, now)
			}
		}
		for i := range times {
			for j := i; j < len(times); j++ {
				if n, span := j-i+1, times[j].Sub(times[i]); n > r.Count+int(span*time.Duration(r.Count)/r.Period) {
					t.Fatalf("%d in %v at %v", n, span, r)
				}
			}
		}
	})
}

// Whoever was counted by an hour's rate is not kept out for an hour by the
// rate in seconds that takes its place, nor is anybody after the clock was put
// back; and a look at the clock a moment too early lets nobody in.
func TestGateRateChanges(t *testing.T) {
	start := time.Unix(1e9, 0)
	var g launcher.Gate
	g.Set(launcher.Limits{Rate: launcher.Rate{Count: 1, Period: time.Hour}})
	g.Enter(one, start)
	g.Set(launcher.Limits{Rate: launcher.Rate{Count: 1, Period: time.Second}})
	if err := g.Enter(one, start); err != nil {
		t.Errorf("by the new rate: %v", err)
	}
	if err := g.Enter(one, start.Add(-time.Microsecond)); !errors.Is(err, launcher.ErrRate) {
		t.Errorf("a moment before: got %v", err)
	}
	if err := g.Enter(one, start.Add(-time.Hour)); err != nil {
		t.Errorf("an hour before: %v", err)
	}
}

// A flood of sources takes no more memory than is set apart for it, and turns
// nobody away.
func TestGateRateFlood(t *testing.T) {
	var g launcher.Gate
	g.Set(launcher.Limits{Rate: launcher.Rate{Count: 1, Period: time.Hour}})
	now := time.Unix(1e9, 0)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range 1_000_000 {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		if err := g.Enter(a, now); err != nil {
			t.Fatal(err)
		}
		g.Leave(a)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if n := int64(after.HeapAlloc) - int64(before.HeapAlloc); n > 16<<20 {
		t.Errorf("%d bytes kept", n)
	}
	runtime.KeepAlive(&g)
}

func TestParseRate(t *testing.T) {
	for s, want := range map[string]launcher.Rate{
		"10/s": {Count: 10, Period: time.Second}, "1/h": {Count: 1, Period: time.Hour}, "100/5m": {Count: 100, Period: 5 * time.Minute},
		"": {}, "10": {}, "0/s": {}, "-1/s": {}, "+1/s": {}, "1/0s": {}, "1/-5s": {}, "x/s": {}, "1/48h": {}, "1/": {}, "9999999/s": {},
	} {
		got, err := launcher.ParseRate(s)
		if got != want || (err == nil) != (want != launcher.Rate{}) {
			t.Errorf("%q: got %v, %v", s, got, err)
		}
	}
}
