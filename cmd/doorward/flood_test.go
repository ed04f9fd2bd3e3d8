package main

import (
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// One source that opens 500 connections a second is turned away without a
// process; somebody else, who comes twice a second, is served as fast as ever.
func TestFlood(t *testing.T) {
	if os.Getenv("DOORWARD_BENCH") == "" {
		t.Skip("measures time: make bench runs it")
	}
	s, port := start(t, dumper("test", "rate = 20/s", "per_source = 10", "instances = 40"), nil)
	addr := "127.0.0.1:" + port
	good := func(n int) (took []time.Duration) {
		for range n {
			begin := time.Now()
			if got, err := dialFrom("127.0.0.1", addr); got == "" {
				t.Errorf("the good client was turned away: %v", err)
			}
			took = append(took, time.Since(begin))
			time.Sleep(500 * time.Millisecond)
		}
		slices.Sort(took)
		return took
	}
	usual := good(6)

	var opened, served atomic.Int64
	stop := make(chan struct{})
	var flood sync.WaitGroup
	flood.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			opened.Add(1)
			flood.Go(func() {
				if got, _ := dialFrom("127.0.0.9", addr); got != "" {
					served.Add(1)
				}
			})
		}
	})
	during := good(8)
	close(stop)
	flood.Wait()

	delay := during[len(during)/2] - usual[len(usual)/2]
	t.Logf("flood: %d opened in 4 s, %d served; the good client: usually %v, then %v, at worst %v",
		opened.Load(), served.Load(), usual[len(usual)/2], during[len(during)/2], during[len(during)-1])
	if delay > 50*time.Millisecond {
		t.Errorf("the good client waited %v longer than usual", delay)
	}
	if n := served.Load(); n > 20*5+20 {
		t.Errorf("%d connections of the flood were served, where 20 in a second may be", n)
	}
	if opened.Load() < 1000 {
		t.Errorf("no flood: %d connections", opened.Load())
	}
	s.waitFor(`test: 127\.0\.0\.9:\d+ refused`)
}
