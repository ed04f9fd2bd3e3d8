package dnslist_test

import (
	"context"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"doorward/acl"
	"doorward/acl/dnsbl"
	"doorward/launcher/dnslist"
	"doorward/launcher/internal/dnstest"
	"doorward/launcher/lookup"
)

var five = []string{"a.example", "b.example", "c.example", "d.example", "e.example"}

// fiveLists are five sound lists, with a latency each.
func fiveLists(t testing.TB, latency time.Duration) (*dnstest.Server, *dnslist.Engine, *dnsbl.Lists) {
	zones := listed{}
	for _, z := range five {
		zones[z] = dnstest.None
	}
	s := serve(t, zones, latency)
	e := dnslist.New(dnslist.Config{Lookup: dnslist.Stub(dnslist.Servers([]netip.AddrPort{s.Addr}), 3*time.Second)})
	return s, e, weigh(1, five...)
}

// A client that came before: request, five answers from the cache, verdict.
func BenchmarkCachedVerdict(b *testing.B) {
	s, e, l := fiveLists(b, 0)
	decide(e, l, "192.0.2.8")
	s.Questions()
	find := e.Finder(l)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		r := acl.Request{Remote: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 8}), 1)}
		r.Ask = func(f acl.Fact) acl.Answer { return find(ctx, &r, f.Arg) }
		if l.Decide(&r).Verdict != acl.Pass {
			b.Fatal("refused")
		}
	}
	if n := len(s.Questions()); n > 12 { // examinations
		b.Errorf("%d questions", n)
	}
}

// 10,000 clients that never came before, five lists, 20 ms each.
func BenchmarkTenThousandClients(b *testing.B) {
	const clients = 10_000
	for b.Loop() {
		b.StopTimer()
		_, e, l := fiveLists(b, 20*time.Millisecond)
		decide(e, l, "192.0.2.7") // examined
		b.StartTimer()
		decideAll(e, l, clients, 1000)
	}
	b.ReportMetric(float64(clients*b.N)/b.Elapsed().Seconds(), "clients/s")
}

// decideAll decides about n clients, as many at once.
func decideAll(e *dnslist.Engine, l *dnsbl.Lists, n, atOnce int) {
	next := make(chan int)
	find := e.Finder(l)
	var wg sync.WaitGroup
	for range atOnce {
		wg.Go(func() {
			for i := range next {
				r := acl.Request{Remote: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1)}
				r.Ask = func(f acl.Fact) acl.Answer { return find(context.Background(), &r, f.Arg) }
				if l.Decide(&r).Verdict != acl.Pass {
					panic("refused")
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

// The engine in numbers: every client asks every list, once.
func TestManyClientsAreDecidedTogether(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	s, e, l := fiveLists(t, 20*time.Millisecond)
	start := time.Now()
	decideAll(e, l, 2000, 500)
	took := time.Since(start)
	var asked, failed uint64
	for _, st := range e.Status() {
		asked += st.IPv4.Asked
		failed += st.IPv4.Failed
	}
	t.Logf("2,000 clients, %d questions, %d failed, %v; the server saw %d", asked, failed, took, len(s.Questions()))
	if asked != 2000*5 || failed > 100 {
		t.Errorf("%d asked, %d failed", asked, failed)
	}
	if oneByOne := 2000 * 5 * 20 * time.Millisecond; took > oneByOne/10 {
		t.Errorf("took %v, one by one would be %v", took, oneByOne)
	}
}

// However many clients come, what is kept about them takes no more than it may.
func TestClientsInGreatNumbersKeepTheBound(t *testing.T) {
	const bound = 1 << 20
	clients := 200_000
	if testing.Short() {
		clients = 50_000
	}
	w := newWorld()
	w.set("a.example", zone{})
	e := dnslist.New(dnslist.Config{Lookup: dnslist.LookupFunc(func(ctx context.Context, name string, typ dnsmessage.Type) (lookup.Records, error) {
		return w.records(name, typ, zone{}, "a.example")
	}), CacheBytes: bound})
	before := heap()
	decideAll(e, weigh(1, "a.example"), clients, 64)
	grown := heap() - before
	c := e.Counts()
	t.Logf("%d clients: %+v, heap grew by %d", clients, c, grown)
	if c.CachedBytes > bound || c.Cached == 0 || grown > 2*bound {
		t.Errorf("%+v, heap grew by %d, bound %d", c, grown, bound)
	}
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
