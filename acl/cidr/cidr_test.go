package cidr

import (
	"net/netip"
	"slices"
	"testing"
)

func TestCanonical(t *testing.T) {
	tests := []struct{ in, want string }{
		{"192.0.2.0/24", "192.0.2.0/24"},
		{"192.0.2.7/24", "192.0.2.0/24"}, // host bits overflow the stack of the trie
		{"192.0.2.7/0", "0.0.0.0/0"},
		{"::ffff:192.0.2.7/120", "192.0.2.0/24"}, // a mapped prefix would break the next insertion
		{"::ffff:0:0/96", "0.0.0.0/0"},
		{"::ffff:0:0/95", "::fffe:0:0/95"}, // more than the mapped addresses: stays IPv6
		{"2001:db8::1/32", "2001:db8::/32"},
	}
	for _, tt := range tests {
		got, err := Canonical(netip.MustParsePrefix(tt.in))
		if err != nil || got.String() != tt.want {
			t.Errorf("Canonical(%v) = %v, %v, want %v", tt.in, got, err, tt.want)
		}
	}
}

func TestCanonicalRefusesWhatIsNoPrefix(t *testing.T) {
	for _, p := range []netip.Prefix{{}, netip.PrefixFrom(netip.MustParseAddr("192.0.2.7"), 33)} {
		if _, err := Canonical(p); err == nil {
			t.Errorf("Canonical(%v): no error", p)
		}
		if err := New[int]().Insert(p, 1); err == nil {
			t.Errorf("Insert(%v): no error", p)
		}
	}
}

func TestCovering(t *testing.T) {
	var tab Table[string]
	for _, s := range []string{
		"192.0.2.7/32", "192.0.2.0/24", "192.0.0.0/15", "0.0.0.0/0",
		"2001:db8::7/128", "2001:db8::/48", "2001:db8::/32", "2000::/3", "::/0",
		"::ffff:198.51.100.0/120", "fe80::/64",
	} {
		if err := tab.Insert(netip.MustParsePrefix(s), s); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		addr string
		want []string // shortest first
	}{
		{"192.0.2.7", []string{"0.0.0.0/0", "192.0.0.0/15", "192.0.2.0/24", "192.0.2.7/32"}},
		{"192.0.2.8", []string{"0.0.0.0/0", "192.0.0.0/15", "192.0.2.0/24"}},
		{"::ffff:192.0.2.8", []string{"0.0.0.0/0", "192.0.0.0/15", "192.0.2.0/24"}}, // mapped is IPv4
		{"198.51.100.9", []string{"0.0.0.0/0", "::ffff:198.51.100.0/120"}},
		{"2001:db8::7", []string{"::/0", "2000::/3", "2001:db8::/32", "2001:db8::/48", "2001:db8::7/128"}},
		{"fe80::1%eth0", []string{"::/0", "fe80::/64"}}, // the zone says where, not who
	}
	for _, tt := range tests {
		a := netip.MustParseAddr(tt.addr)
		if got := tab.Covering(nil, a); !slices.Equal(got, tt.want) {
			t.Errorf("Covering(%v) = %q, want %q", a, got, tt.want)
		}
		if !tab.Contains(a) {
			t.Errorf("Contains(%v) = false", a)
		}
	}
}

// ::/0 is every IPv6 client and no IPv4 one, however it connected.
func TestNoIPv6PrefixCoversIPv4(t *testing.T) {
	tab := New[int]()
	for _, s := range []string{"::/0", "::/64", "::ffff:0:0/95"} {
		tab.Insert(netip.MustParsePrefix(s), 1)
	}
	for _, s := range []string{"192.0.2.7", "::ffff:192.0.2.7"} {
		if tab.Contains(netip.MustParseAddr(s)) {
			t.Errorf("Contains(%v)", s)
		}
	}
}

func TestValuesOfOnePrefixKeepTheirOrder(t *testing.T) {
	for _, s := range []string{"192.0.2.0/24", "192.0.2.7/32", "0.0.0.0/0", "2001:db8::/32", "2001:db8::1/128"} {
		tab, p := New[int](), netip.MustParsePrefix(s)
		for v := range 4 {
			tab.Insert(p, v)
		}
		a := p.Addr()
		if s == "192.0.2.7/32" {
			a = netip.MustParseAddr("192.0.2.7")
		}
		if got := tab.Covering([]int{9}, a); !slices.Equal(got, []int{9, 0, 1, 2, 3}) {
			t.Errorf("%v: %v", s, got)
		}
		if tab.Len() != 4 {
			t.Errorf("%v: Len = %d", s, tab.Len())
		}
	}
}

func TestZeroTableIsEmpty(t *testing.T) {
	var tab Table[int]
	for _, a := range []netip.Addr{{}, netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("::1")} {
		if tab.Contains(a) || tab.Covering(nil, a) != nil || tab.Len() != 0 {
			t.Errorf("%v is in an empty table", a)
		}
	}
}
