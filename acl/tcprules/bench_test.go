package tcprules_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"doorward/acl"
	"doorward/acl/tcprules"
)

// random returns n rules for addresses and, one in five, for prefixes in bits.
func random(n int) string {
	rnd := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	for i := range n {
		x := rnd.Uint32()
		fmt.Fprintf(&b, "%d.%d.%d.%d", x>>24, x>>16&255, x>>8&255, x&255)
		if i%5 == 0 {
			b.WriteString("/24")
		}
		b.WriteString(":deny\n")
	}
	b.WriteString(":allow,RELAYCLIENT=\"\"\n")
	return b.String()
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func load(b *testing.B, src string) {
	before := heap()
	b.ReportAllocs()
	var r *tcprules.Rules
	for b.Loop() {
		var err error
		if r, err = tcprules.Load("tcp", src); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(heap()-before)/1e6, "MB")
	runtime.KeepAlive(r)
}

func BenchmarkLoadMillion(b *testing.B) {
	text := random(1_000_000)
	plain := strings.ReplaceAll(text, "/24", "")
	b.Run("text", func(b *testing.B) { load(b, text) })
	b.Run("text-plain", func(b *testing.B) { load(b, plain) })
	b.Run("cdb", func(b *testing.B) {
		r, err := tcprules.Parse("tcp", text)
		if err != nil {
			b.Fatal(err)
		}
		load(b, string(r.CDB()))
	})
	b.Run("text-nogc", func(b *testing.B) {
		defer debug.SetGCPercent(debug.SetGCPercent(-1))
		load(b, text)
	})
}

func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{10, 10_000, 1_000_000} {
		r, err := tcprules.Parse("tcp", random(n))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			q := acl.Request{Remote: netip.MustParseAddrPort("192.0.2.7:1024")}
			for b.Loop() {
				if r.Decide(&q).Verdict == acl.Pass {
					b.Fatal("no rule")
				}
			}
		})
	}
}
