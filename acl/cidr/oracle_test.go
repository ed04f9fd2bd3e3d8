package cidr

import (
	"iter"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// slow is the oracle: a list searched from one end to the other.
type slow []item

type item struct {
	p netip.Prefix
	v int
}

func (s slow) covering(a netip.Addr) []int {
	var found slow
	for _, it := range s {
		it.p, _ = Canonical(it.p)
		if it.p.Contains(a.Unmap().WithZone("")) {
			found = append(found, it)
		}
	}
	slices.SortStableFunc(found, func(x, y item) int { return x.p.Bits() - y.p.Bits() })
	var vs []int
	for _, it := range found {
		vs = append(vs, it.v)
	}
	return vs
}

func (s slow) all() iter.Seq2[netip.Prefix, int] {
	return func(yield func(netip.Prefix, int) bool) {
		for _, it := range s {
			if !yield(it.p, it.v) {
				return
			}
		}
	}
}

// tables returns the list as tables made in each way there is.
func (s slow) tables(t interface{ Fatal(...any) }) map[string]*Table[int] {
	one := New[int]()
	for p, v := range s.all() {
		if err := one.Insert(p, v); err != nil {
			t.Fatal(err)
		}
	}
	tabs := map[string]*Table[int]{"Insert": one}
	for name, workers := range map[string]int{"Build(1)": 1, "Build(4)": 4} {
		tab, err := Build(workers, s.all())
		if err != nil {
			t.Fatal(err)
		}
		tabs[name] = tab
	}
	return tabs
}

// addrs draws addresses that share many leading bits, so that prefixes nest.
func addrs() *rapid.Generator[netip.Addr] {
	few := rapid.SampledFrom([]byte{0, 1, 0x7f, 0x80, 0xff})
	return rapid.Custom(func(t *rapid.T) netip.Addr {
		b := rapid.SliceOfN(few, 16, 16).Draw(t, "bytes")
		switch rapid.IntRange(0, 2).Draw(t, "family") {
		case 0:
			return netip.AddrFrom4([4]byte(b[:4]))
		case 1:
			return netip.AddrFrom16(netip.AddrFrom4([4]byte(b[:4])).As16()) // mapped
		}
		return netip.AddrFrom16([16]byte(b))
	})
}

func TestTableAgreesWithAList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var list slow
		pool := rapid.SliceOfN(addrs(), 1, 8).Draw(t, "pool")
		for v := range rapid.IntRange(0, 40).Draw(t, "n") {
			a := rapid.SampledFrom(pool).Draw(t, "net")
			list = append(list, item{netip.PrefixFrom(a, rapid.IntRange(0, a.BitLen()).Draw(t, "bits")), v})
		}
		a := rapid.OneOf(addrs(), rapid.SampledFrom(pool)).Draw(t, "client")
		want := list.covering(a)
		for how, tab := range list.tables(t) {
			got := tab.Covering(nil, a)
			if !slices.Equal(got, want) || tab.Contains(a) != (len(want) > 0) || tab.Len() != len(list) {
				t.Fatalf("%s: Covering(%v) = %v, Contains %v, Len %d; want %v of %d",
					how, a, got, tab.Contains(a), tab.Len(), want, len(list))
			}
		}
	})
}

// FuzzCovering reads data as prefixes of 17 bytes: an address and a length. From
// 192 on the length is that of an IPv4 prefix, plus 192.
func FuzzCovering(f *testing.F) {
	f.Add(seed("192.0.2.0/24", "192.0.2.7/32", "0.0.0.0/0"), []byte{192, 0, 2, 7})
	f.Add(seed("82.253.252.7/30", "82.253.252.7/14"), []byte{82, 253, 252, 7})
	f.Add(seed("2001:db8::/32", "::ffff:10.0.0.0/104", "10.0.0.0/8"), []byte{10, 1, 2, 3})
	f.Fuzz(func(t *testing.T, data, client []byte) {
		a, ok := netip.AddrFromSlice(client)
		if !ok || len(data) > 17*64 {
			return
		}
		var list slow
		for v := 0; len(data) >= 17; v, data = v+1, data[17:] {
			if p := prefix(data); p.IsValid() {
				list = append(list, item{p, v})
			}
		}
		want := list.covering(a)
		for how, tab := range list.tables(t) {
			if got := tab.Covering(nil, a); !slices.Equal(got, want) {
				t.Errorf("%s: Covering(%v) of %v = %v, want %v", how, a, list, got, want)
			}
		}
	})
}

func prefix(b []byte) netip.Prefix {
	if b[16] >= 192 {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte(b)), int(b[16]-192))
	}
	return netip.PrefixFrom(netip.AddrFrom16([16]byte(b)), int(b[16]))
}

func seed(prefixes ...string) (data []byte) {
	for _, s := range prefixes {
		p := netip.MustParsePrefix(s)
		var b [17]byte
		copy(b[:], p.Addr().AsSlice())
		b[16] = byte(p.Bits())
		if p.Addr().Is4() {
			b[16] += 192
		}
		data = append(data, b[:]...)
	}
	return data
}

func TestSeedsAreThePrefixesTheyName(t *testing.T) {
	for _, s := range []string{"192.0.2.7/24", "2001:db8::7/32", "::1/128"} {
		if got := prefix(seed(s)).String(); got != s {
			t.Errorf("prefix(seed(%s)) = %s", s, got)
		}
	}
}
