package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"doorward/acl"
	"doorward/acl/dnsbl"
	"doorward/launcher/dnslist"
	"doorward/launcher/lookup"
)

// dnsLists measures what DNS lists cost: a client that came before, what is
// kept of a million clients, and ten thousand clients at the door.
func (b *bench) dnsLists() error {
	fmt.Println()
	if err := cachedVerdict(); err != nil {
		return err
	}
	if err := cacheOfAMillion(); err != nil {
		return err
	}
	return b.tenThousand()
}

// target prints what was asked, what was measured, and whether that is met.
func target(what string, got float64, unit, asked string, met bool) {
	verdict := "met"
	if !met {
		verdict = "MISSED"
	}
	fmt.Printf("%-48s %8.2f %-4s wanted %s  %s\n", what, got, unit, asked, verdict)
}

// zonesOf are five lists, the last of which has everybody or nobody.
func zonesOf(listed bool) []string {
	zones := []string{"a.example", "b.example", "c.example", "d.example", "e.example"}
	if listed {
		zones[4] = "listed.example"
	}
	return zones
}

func policy(zones ...string) *dnsbl.Lists {
	l := new(dnsbl.Lists)
	for _, z := range zones {
		l.Zones = append(l.Zones, dnsbl.Zone{Name: z, Weight: 1})
	}
	return l
}

// nobodyIsListed is a DNS without a network: it costs nothing, so that all
// that is measured is ours. Its lists have what every list has (RFC 5782, 5).
func nobodyIsListed(asked *atomic.Int64) dnslist.LookupFunc {
	return func(_ context.Context, name string, _ dnsmessage.Type) (lookup.Records, error) {
		asked.Add(1)
		if strings.HasPrefix(name, "2.0.0.127.") {
			return lookup.Records{TTL: time.Hour, Addrs: []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 2})}}, nil
		}
		return lookup.Records{TTL: time.Hour}, lookup.ErrAbsent
	}
}

func decided(find lookup.Finder, l *dnsbl.Lists, client netip.Addr) acl.Verdict {
	r := acl.Request{Remote: netip.AddrPortFrom(client, 40001)}
	r.Ask = func(f acl.Fact) acl.Answer { return find(context.Background(), &r, f.Arg) }
	return l.Decide(&r).Verdict
}

// cachedVerdict measures a client that five lists were asked about before.
func cachedVerdict() error {
	var asked atomic.Int64
	l := policy(zonesOf(false)...)
	find := dnslist.New(dnslist.Config{Lookup: nobodyIsListed(&asked)}).Finder(l)
	client := netip.AddrFrom4([4]byte{192, 0, 2, 7})
	decided(find, l, client)
	time.Sleep(100 * time.Millisecond) // examinations
	before := asked.Load()
	us := math.Inf(1)
	for range 5 { // others use the machine too: the least
		r := testing.Benchmark(func(t *testing.B) {
			for t.Loop() {
				if decided(find, l, client) != acl.Pass {
					t.Fatal("refused")
				}
			}
		})
		if r.N == 0 {
			return errors.New("no verdict from the cache")
		}
		us = min(us, float64(r.T.Nanoseconds())/float64(r.N)/1000)
	}
	questions := asked.Load() - before
	target("verdict of five lists, kept", us, "us", "< 2.00", us < 2)
	target("questions asked for all of these", float64(questions), "", "0", questions == 0)
	return nil
}

// cacheOfAMillion measures what is kept of a million clients who come once.
func cacheOfAMillion() error {
	const bound = 16 << 20
	var asked atomic.Int64
	e := dnslist.New(dnslist.Config{Lookup: nobodyIsListed(&asked), CacheBytes: bound})
	l := policy("a.example")
	find := e.Finder(l)
	before, most := heap(), 0.0
	for part := range 10 {
		decideMany(find, l, part*100_000, 100_000, 64)
		most = max(most, heap()-before)
	}
	c := e.Counts()
	target("kept of 1,000,000 clients, as it counts", float64(c.CachedBytes)/1e6, "MB", fmt.Sprintf("<= %.2f", bound/1e6), c.CachedBytes <= bound)
	target("the heap of that, at most", most/1e6, "MB", fmt.Sprintf("<= %.2f", bound/1e6), most <= bound)
	fmt.Printf("%-48s %8d\n", "answers in it", c.Cached)
	return nil
}

// decideMany decides about n different clients, so many at once, and returns
// how many are refused.
func decideMany(find lookup.Finder, l *dnsbl.Lists, from, n, atOnce int) (refused int64) {
	var next, denied atomic.Int64
	var wg sync.WaitGroup
	for range atOnce {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				if decided(find, l, clientAddr(from+int(i))) == acl.Deny {
					denied.Add(1)
				}
			}
		})
	}
	wg.Wait()
	return denied.Load()
}

// clientAddr is the address of client i, on the loopback network.
func clientAddr(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, byte(1 + i>>16), byte(i >> 8), byte(i)})
}

func heap() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

func isRoot() bool { return os.Getuid() == 0 }
