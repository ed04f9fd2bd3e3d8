package cidr

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
)

// blocklist returns n distinct prefixes mixed as in a list of offenders: 70 %
// IPv4, most of them whole addresses, the rest IPv6 around /64, all of them
// crowded into few networks.
func blocklist(n int) []netip.Prefix {
	rnd := rand.New(rand.NewPCG(1, 2))
	seen := make(map[netip.Prefix]bool, n)
	ps := make([]netip.Prefix, 0, n)
	for len(ps) < n {
		p := randomPrefix(rnd)
		if !seen[p] {
			seen[p] = true
			ps = append(ps, p)
		}
	}
	return ps
}

func randomPrefix(rnd *rand.Rand) netip.Prefix {
	if rnd.IntN(10) < 7 {
		bits := 32
		switch x := rnd.IntN(100); {
		case x < 5:
			bits = 16 + rnd.IntN(8)
		case x < 25:
			bits = 24
		case x < 40:
			bits = 25 + rnd.IntN(7)
		}
		return netip.PrefixFrom(random4(rnd), bits).Masked()
	}
	bits := []int{64, 64, 64, 56, 48, 32, 128, 128}[rnd.IntN(8)]
	return netip.PrefixFrom(random6(rnd), bits).Masked()
}

func random4(rnd *rand.Rand) netip.Addr {
	network := uint32(rnd.IntN(3000)) * 20
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], network<<16|rnd.Uint32()&0xffff)
	return netip.AddrFrom4(b)
}

func random6(rnd *rand.Rand) netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint32(b[:], 0x20010000|uint32(rnd.IntN(4000))*3)
	binary.BigEndian.PutUint64(b[4:], rnd.Uint64())
	return netip.AddrFrom16(b)
}

// sizes are numbers of prefixes from a hand-written file to a bulk list.
var sizes = []int{10, 1_000, 10_000, 100_000, 1_000_000}

// all yields the prefixes with their indexes.
func all(ps []netip.Prefix) iter.Seq2[netip.Prefix, uint32] {
	return func(yield func(netip.Prefix, uint32) bool) {
		for i, p := range ps {
			if !yield(p, uint32(i)) {
				return
			}
		}
	}
}

func build(tb testing.TB, workers int, ps []netip.Prefix) *Table[uint32] {
	tb.Helper()
	t, err := Build(workers, all(ps))
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

// clients returns addresses of which about half are in the networks of ps.
func clients(ps []netip.Prefix) []netip.Addr {
	rnd := rand.New(rand.NewPCG(3, 4))
	as := make([]netip.Addr, 4096)
	for i := range as {
		switch rnd.IntN(4) {
		case 0:
			as[i] = random4(rnd)
		case 1:
			as[i] = random6(rnd)
		default:
			as[i] = ps[rnd.IntN(len(ps))].Addr()
		}
	}
	return as
}

// heap returns the bytes that are alive.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A million prefixes give the right answers in the memory promised.
func TestMillion(t *testing.T) {
	if testing.Short() {
		t.Skip("long test")
	}
	ps := blocklist(1_000_000)
	before := heap()
	tab := build(t, 2, ps)
	if mb := (heap() - before) >> 20; mb > 300 {
		t.Errorf("live heap %d MB, want 300 at most", mb)
	}
	if tab.Len() != len(ps) {
		t.Errorf("Len = %d, want %d", tab.Len(), len(ps))
	}
	oracle := make(map[netip.Prefix]uint32, len(ps))
	for i, p := range ps {
		oracle[p] = uint32(i)
	}
	for _, a := range clients(ps) {
		var want []uint32
		for bits := range a.BitLen() + 1 {
			if i, ok := oracle[netip.PrefixFrom(a, bits).Masked()]; ok {
				want = append(want, i)
			}
		}
		if got := tab.Covering(nil, a); !slices.Equal(got, want) {
			t.Errorf("Covering(%v) = %v, want %v", a, got, want)
		}
	}
}

func BenchmarkBuild(b *testing.B) {
	for _, n := range sizes {
		ps := blocklist(n)
		for _, workers := range []int{1, 2} {
			b.Run(fmt.Sprintf("%d/%dworkers", n, workers), func(b *testing.B) {
				before := heap()
				defer debug.SetGCPercent(debug.SetGCPercent(-1))
				var t *Table[uint32]
				for b.Loop() {
					t = nil
					b.StopTimer()
					runtime.GC()
					b.StartTimer()
					t = build(b, workers, ps)
				}
				b.ReportMetric(float64(heap()-before)/1e6, "MB")
				runtime.KeepAlive(t)
			})
		}
	}
}

// One by one, as a small file is loaded.
func BenchmarkInsert(b *testing.B) {
	for _, n := range sizes[:4] {
		ps := blocklist(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				t := New[uint32]()
				for i, p := range ps {
					t.Insert(p, uint32(i))
				}
			}
		})
	}
}

func BenchmarkCovering(b *testing.B) {
	for _, n := range sizes {
		ps := blocklist(n)
		t, as := build(b, 2, ps), clients(ps)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			var buf []uint32
			for i := 0; b.Loop(); i++ {
				buf = t.Covering(buf[:0], as[i%len(as)])
			}
		})
	}
}

func BenchmarkContains(b *testing.B) {
	for _, n := range sizes {
		ps := blocklist(n)
		t, as := build(b, 2, ps), clients(ps)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				t.Contains(as[i%len(as)])
			}
		})
	}
}
