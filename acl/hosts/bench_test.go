package hosts

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"doorward/acl"
)

// tableOfNets makes n rules of the kinds that fill large tables: an address, a
// net or a domain each, for one daemon.
func tableOfNets(n int) string {
	var b strings.Builder
	for i := range n {
		switch i % 10 {
		case 0:
			fmt.Fprintf(&b, "smtp : .host%d.example.net : setenv RELAYCLIENT\n", i)
		case 1:
			fmt.Fprintf(&b, "smtp : [2001:db8:%x::]/48\n", i)
		case 2, 3, 4:
			fmt.Fprintf(&b, "smtp : 10.%d.%d.0/24\n", i>>8, i&255)
		default:
			fmt.Fprintf(&b, "smtp : 172.%d.%d.%d\n", 16+i%16, i>>8, i&255)
		}
	}
	return b.String()
}

// tableForBench is tableOfNets without names: with them, the first question is
// the one for the client's name, and DNS takes what time it takes.
func tableForBench(n int) string {
	var b strings.Builder
	for line := range strings.Lines(tableOfNets(n)) {
		if !strings.Contains(line, "example.net") {
			b.WriteString(line)
		}
	}
	return b.String() + "smtp : 192.0.2.0/24\n"
}

func accessForBench(tb testing.TB, n int) (Access, *acl.Request) {
	allow, err := Parse("hosts.allow", tableForBench(n), nil)
	if err != nil {
		tb.Fatal(err)
	}
	deny, err := Parse("hosts.deny", "ALL: ALL\n", nil)
	if err != nil {
		tb.Fatal(err)
	}
	allow.asked.Store(true)
	deny.asked.Store(true)
	return Access{allow, deny}, &acl.Request{Daemon: "smtp", Remote: netip.MustParseAddrPort("192.0.2.7:1024")}
}

// A rule about addresses, the last of n, costs about the same whatever n is.
func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{10, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			a, r := accessForBench(b, n)
			b.ReportAllocs()
			for b.Loop() {
				if a.Decide(r).Verdict != acl.Allow {
					b.Fatal("denied")
				}
			}
		})
	}
}

// A client that no rule but the last one of hosts.deny knows.
func BenchmarkDecideDenied(b *testing.B) {
	a, r := accessForBench(b, 10000)
	r.Remote = netip.MustParseAddrPort("198.51.100.7:1024")
	b.ReportAllocs()
	for b.Loop() {
		if a.Decide(r).Verdict != acl.Deny {
			b.Fatal("not denied")
		}
	}
}

// TestCompareParseTime says how this compares with what tcpdmatch needs for the
// same table.
func BenchmarkParse(b *testing.B) {
	src := tableOfNets(10000)
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse("hosts.allow", src, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// Deciding allocates what the address table allocates and nothing else.
func TestDecideAllocates(t *testing.T) {
	a, r := accessForBench(t, 10000)
	if n := testing.AllocsPerRun(100, func() { a.Decide(r) }); n > 3 {
		t.Errorf("%v allocations, want 3 at most", n)
	}
}
