package launcher_test

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"doorward/launcher"
)

var (
	one = netip.MustParseAddr("192.0.2.1")
	two = netip.MustParseAddr("192.0.2.2")
)

func TestGatePerSource(t *testing.T) {
	var g launcher.Gate
	g.Set(launcher.Limits{PerSource: 1})
	if err := g.Enter(one); err != nil {
		t.Fatal(err)
	}
	if err := g.Enter(one); !errors.Is(err, launcher.ErrSource) {
		t.Errorf("second from the same address: got %v", err)
	}
	if err := g.Enter(two); err != nil {
		t.Errorf("another address: got %v", err)
	}
	g.Leave(one)
	if err := g.Enter(one); err != nil {
		t.Errorf("after leaving: got %v", err)
	}
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
				g.Enter(one)
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
		g.Enter(one)
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
			if err := g.Enter(one); err == nil {
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
		g.Enter(a)
		defer func() {
			g.Leave(a)
			if n, _ := g.Running(); n == 0 && g.Sources() != 0 {
				t.Errorf("%d addresses kept", g.Sources())
			}
		}()
	}
}
