package hosts

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// inOrder is n lines of a list as it is exported: address after address.
func inOrder(n int) string {
	var s strings.Builder
	for i := range n {
		switch i % 6 {
		case 0:
			fmt.Fprintf(&s, "%d.%d.%d.0/24\n", 11+i>>16, i>>8&255, i&255)
		case 1:
			fmt.Fprintf(&s, "[2001:%x:%x::]/48\n", 0xdb8+i>>16, i&0xffff)
		default:
			fmt.Fprintf(&s, "%d.%d.%d.%d\n", 130+i>>16%60, i>>8&255, i&255, i*7&255)
		}
	}
	return s.String()
}

// scattered is n lines of a list as it is collected: addresses and networks of
// all lengths from networks that are unlike the others, in no order.
func scattered(n int) string {
	rnd := rand.New(rand.NewPCG(1, 2))
	var s strings.Builder
	for range n {
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
			a := (uint32(rnd.IntN(3000))*20<<16 | rnd.Uint32()&0xffff) >> (32 - bits) << (32 - bits)
			fmt.Fprint(&s, addr4(a))
			if bits < 32 {
				fmt.Fprintf(&s, "/%d", bits)
			}
		} else {
			fmt.Fprintf(&s, "[2001:%x:%x:%x::]/64", rnd.IntN(4000)*3, rnd.IntN(1<<16), rnd.IntN(1<<16))
		}
		s.WriteByte('\n')
	}
	return s.String()
}

// Reading a pattern file of a million lines, and what it then holds (MB).
func BenchmarkMillion(b *testing.B) {
	for _, tt := range []struct {
		name string
		text string
	}{{"in-order", inOrder(1_000_000)}, {"scattered", scattered(1_000_000)}} {
		b.Run(tt.name, func(b *testing.B) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			b.ReportAllocs()
			var rules *Rules
			var u0, u1 syscall.Rusage
			syscall.Getrusage(0, &u0)
			best := time.Hour
			for b.Loop() {
				t0 := time.Now()
				rules, _ = Parse("allow", "ALL: /million\n", func(string) (string, error) { return tt.text, nil })
				best = min(best, time.Since(t0))
			}
			syscall.Getrusage(0, &u1)
			b.ReportMetric(float64(u1.Utime.Nano()-u0.Utime.Nano())/1e6/float64(b.N), "user-ms/op")
			b.ReportMetric(float64(best.Milliseconds()), "best-ms")
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "MB")
			runtime.KeepAlive(rules)
		})
	}
}
