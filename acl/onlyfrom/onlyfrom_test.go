package onlyfrom_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"doorward/acl"
	"doorward/acl/onlyfrom"
)

// list parses words, each of which stands on a line of its own.
func list(t *testing.T, name, words string) *onlyfrom.List {
	t.Helper()
	if words == "-" {
		return nil
	}
	var ws []onlyfrom.Word
	for i, w := range strings.Fields(words) {
		ws = append(ws, onlyfrom.Word{Text: w, Pos: acl.Pos{File: name, Line: i + 1}})
	}
	l, err := onlyfrom.Parse(acl.Pos{File: name}, ws)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func request(addr, name string) *acl.Request {
	r := &acl.Request{Ask: func(f acl.Fact) acl.Answer {
		switch {
		case f.Kind != acl.Name || name == "":
			return acl.Answer{}
		case name == "forged":
			return acl.Answer{Status: acl.Forged}
		}
		return acl.Answer{Status: acl.Found, Text: name}
	}}
	if addr != "" {
		r.Remote = netip.AddrPortFrom(netip.MustParseAddr(addr), 1025)
	}
	return r
}

func TestDecide(t *testing.T) {
	tests := []struct {
		only, no   string // - is an attribute that was not given
		addr, name string
		want       string
	}{
		{"-", "-", "192.0.2.7", "", "pass default"},
		{"", "-", "192.0.2.7", "", "deny only"}, // only_from = without a value: nobody
		{"-", "", "192.0.2.7", "", "pass default"},
		{"192.0.2.7", "-", "192.0.2.7", "", "allow only:1"},
		{"192.0.2.7", "-", "192.0.2.8", "", "deny only"},
		{"10.0.0.0 192.0.2.0", "-", "192.0.2.255", "", "allow only:2"}, // rightmost zeros are wildcards
		{"10.0.0.0", "-", "10.255.0.1", "", "allow only:1"},
		{"10.0.1.0", "-", "10.0.2.1", "", "deny only"},
		{"0.0.0.0", "-", "203.0.113.9", "", "allow only:1"},
		{"0.0.0.0", "-", "2001:db8::7", "", "deny only"}, // all of IPv4, none of IPv6
		{"::/0", "-", "2001:db8::7", "", "allow only:1"},
		{"::/0", "-", "192.0.2.7", "", "allow only:1"}, // mapped, through xinetd's sockets
		{"-", "::/0", "192.0.2.7", "", "deny no:1"},
		{"::/1", "-", "192.0.2.7", "", "allow only:1"},
		{"8000::/1", "-", "192.0.2.7", "", "deny only"},
		{"::1/128", "-", "::1", "", "allow only:1"}, // never matches in xinetd
		{"::1", "-", "::1", "", "allow only:1"},
		{"2001:db8::/32", "-", "2001:db8:ffff::1", "", "allow only:1"},
		{"::ffff:192.0.2.0/120", "-", "192.0.2.7", "", "allow only:1"},
		{"::ffff:192.0.2.7", "-", "192.0.2.7", "", "allow only:1"},
		{"192.0.2.{1,7}", "-", "192.0.2.7", "", "allow only:1"},
		{"192.0.2.{1,7}", "-", "192.0.2.2", "", "deny only"},
		{"192.0.{1,2}", "-", "192.0.2.9", "", "allow only:1"},
		{"192.0.2.77/24", "-", "192.0.2.7", "", "allow only:1"},          // host bits do not count
		{"192.0.2.0/24 192.0.2.7", "-", "192.0.2.7", "", "allow only:2"}, // the most specific is named
		{"192.0.2.7", "192.0.2.0/24", "192.0.2.7", "", "deny no:1"},      // the manual would allow
		{"192.0.2.0", "192.0.2.7", "192.0.2.8", "", "allow only:1"},
		{"-", "192.0.2.0", "192.0.2.7", "", "deny no:1"},
		{"-", "192.0.2.0", "198.51.100.7", "", "pass default"},
		{"mx.example.net", "-", "192.0.2.7", "mx.example.net", "allow only:1"},
		{"MX.example.net.", "-", "192.0.2.7", "mx.EXAMPLE.net.", "allow only:1"},
		{"mx.example.net", "-", "192.0.2.7", "a.mx.example.net", "deny only"},
		{".example.net", "-", "192.0.2.7", "a.mx.example.net", "allow only:1"},
		{".example.net", "-", "192.0.2.7", "example.net", "deny only"},
		{".example.net", "-", "192.0.2.7", "badexample.net", "deny only"},
		{".example.net", "-", "192.0.2.7", "", "deny only"},
		{".example.net", "-", "192.0.2.7", "forged", "deny only"},
		{"localhost", "-", "127.0.0.1", "localhost", "allow only:1"}, // not through xinetd's dual-stack socket
		{"-", ".example.net", "192.0.2.7", "a.example.net", "deny no:1"},
		{"-", ".example.net", "192.0.2.7", "forged", "pass default"},
		{"192.0.2.0", "-", "", "", "deny only"}, // no address: nothing can match
		{"-", "192.0.2.0", "", "", "deny no"},
		{"-", "-", "", "", "pass default"},
	}
	for _, tt := range tests {
		t.Run("only_from="+tt.only+" no_access="+tt.no+" "+tt.addr+" "+tt.name, func(t *testing.T) {
			a := onlyfrom.Access{Only: list(t, "only", tt.only), No: list(t, "no", tt.no)}
			d := a.Decide(request(tt.addr, tt.name))
			if got := d.Verdict.String() + " " + d.Rule.String(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// The table answers as a list searched from one end to the other would.
func TestDecidesAsASlowTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		addr := rapid.Custom(func(t *rapid.T) netip.Addr {
			b := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 128}), 4, 4).Draw(t, "octets")
			return netip.AddrFrom4([4]byte(b))
		})
		prefix := rapid.Custom(func(t *rapid.T) netip.Prefix {
			return netip.PrefixFrom(addr.Draw(t, "network"), rapid.IntRange(0, 32).Draw(t, "bits"))
		})
		twin := func(ps []netip.Prefix, a netip.Addr) bool {
			return slices.ContainsFunc(ps, func(p netip.Prefix) bool { return p.Contains(a) })
		}
		only, no := rapid.SliceOfN(prefix, 0, 4).Draw(t, "only_from"), rapid.SliceOfN(prefix, 0, 2).Draw(t, "no_access")
		a := addr.Draw(t, "client")
		want := acl.Deny
		if twin(only, a) && !twin(no, a) {
			want = acl.Allow
		}
		d := onlyfrom.Access{Only: listOf(only), No: listOf(no)}.Decide(request(a.String(), ""))
		if d.Verdict != want {
			t.Errorf("%v: got %v, want %v", a, d.Verdict, want)
		}
	})
}

func listOf(ps []netip.Prefix) *onlyfrom.List {
	var words []onlyfrom.Word
	for _, p := range ps {
		words = append(words, onlyfrom.Word{Text: p.String()})
	}
	l, err := onlyfrom.Parse(acl.Pos{}, words)
	if err != nil {
		panic(err)
	}
	return l
}

// An address that matches costs no look-up, and neither does a client who is
// kept out by no_access alone.
func TestAddressesCostNoLookUp(t *testing.T) {
	for _, tt := range []struct{ only, no string }{
		{"mx.example.net 192.0.2.0/24", "-"},
		{"-", "mx.example.net 192.0.2.0/24"},
		{"198.51.100.0", "mx.example.net"}, // not in only_from: nothing else matters
	} {
		r := request("192.0.2.7", "")
		r.Ask = func(f acl.Fact) acl.Answer { t.Errorf("%v: asked for %v", tt, f); return acl.Answer{} }
		onlyfrom.Access{Only: list(t, "only", tt.only), No: list(t, "no", tt.no)}.Decide(r)
	}
}

func TestParseNamesEveryBadWord(t *testing.T) {
	tests := []struct{ word, why string }{
		{"ALL", "a word of hosts.allow; everybody is 0.0.0.0/0 ::/0"},
		{"10.", "not an IPv4 address: want four octets up to 255, or ADDRESS/BITS"}, // hosts.allow again
		{"10.*", "not an IPv4 address: want four octets up to 255, or ADDRESS/BITS"},
		{"128.138.12", "not an IPv4 address: want four octets up to 255, or ADDRESS/BITS"}, // xinetd: 128.138.0.12
		{"256.1.1.1", "not an IPv4 address: want four octets up to 255, or ADDRESS/BITS"},
		{"2130706433", "not an IPv4 address: want four octets up to 255, or ADDRESS/BITS"},
		{"192.0.2.0/255.255.255.0", "want the length of the mask: /24, not /255.255.255.0"}, // xinetd: one address
		{"192.0.2.0/33", "want ADDRESS/BITS"},
		{"2001:db8::/129", "want ADDRESS/BITS"},
		{"fe80::%eth0/64", "want ADDRESS/BITS"},
		{"192.0.2.0/", "want ADDRESS/BITS"},
		{"10.{1,2}.0.0", "want octets in braces at the end, as in 192.0.2.{1,7}"},
		{"192.0.2.{1-7}", "want octets in braces at the end, as in 192.0.2.{1,7}"},
		{"192.0.2.{1,256}", "want octets in braces at the end, as in 192.0.2.{1,7}"},
		{"192.0.2.{}", "want octets in braces at the end, as in 192.0.2.{1,7}"},
		{"192.0.2{1}", "want octets in braces at the end, as in 192.0.2.{1,7}"},
		{"1.2.3.4.{1}", "want octets in braces at the end, as in 192.0.2.{1,7}"},
		{"::", "nobody comes from there; everybody is ::/0"},
		{"fe80::1%eth0", "an address here has no zone"},
		{"2001:db8", "not an IPv6 address"},
		{"192.0.2.1,192.0.2.2", "not an IPv4 address: want four octets up to 255, or ADDRESS/BITS"},
		{"#", "not an address, a prefix or a name"},
		{"a..b", "not an address, a prefix or a name"},
		{".", "not an IPv4 address: want four octets up to 255, or ADDRESS/BITS"},
		{"-a.example", "not an address, a prefix or a name"},
		{strings.Repeat("a.", 127) + "b", "a name has at most 253 bytes"},
		{"@bindir@", "not an address, a prefix or a name"},
	}
	for _, tt := range tests {
		l, err := onlyfrom.Parse(acl.Pos{File: "f"}, []onlyfrom.Word{
			{Text: tt.word, Pos: acl.Pos{File: "f", Line: 3}}, {Text: "192.0.2.7", Pos: acl.Pos{File: "f", Line: 4}}})
		want := (&acl.SyntaxError{Pos: acl.Pos{File: "f", Line: 3}, Text: tt.word, Err: errText(tt.why)}).Error()
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		if d := (onlyfrom.Access{Only: l}).Decide(request("192.0.2.7", "")); d.Rule.Line != 4 {
			t.Errorf("%s: the good word after it was lost", tt.word)
		}
	}
}

type errText string

func (e errText) Error() string { return string(e) }

func TestShadowed(t *testing.T) {
	tests := []struct{ only, no, want string }{
		{"192.0.2.7 198.51.100.7", "192.0.2.0/24", "192.0.2.7"},
		{"127.0.0.1", "0.0.0.0/0", "127.0.0.1"}, // what locks everybody out of xinetd
		{"192.0.2.0/24", "192.0.2.0/24", "192.0.2.0/24"},
		{"192.0.2.0/24", "192.0.2.7", ""}, // as meant: all but one
		{"192.0.2.{1,7}", "192.0.2.0", "192.0.2.{1,7}"},
		{"2001:db8::1", "0.0.0.0/0", ""},
		{"192.0.2.7", "::/0", "192.0.2.7"},
		{"-", "::/0", ""},
		{"192.0.2.7", "-", ""},
	}
	for _, tt := range tests {
		var got []string
		for _, w := range (onlyfrom.Access{Only: list(t, "only", tt.only), No: list(t, "no", tt.no)}).Shadowed() {
			got = append(got, w.Text)
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("only_from = %s, no_access = %s: got %q, want %q", tt.only, tt.no, s, tt.want)
		}
	}
}

// Whatever the word: it is refused, or it never lets in whom it does not name.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"10.0.0.0", "192.0.2.{1,2}", "::/0", "2001:db8::/32", ".example.net", "ALL", "10.", "a/b", "{", "}", "0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := onlyfrom.Parse(acl.Pos{File: "f"}, []onlyfrom.Word{{Text: s, Pos: acl.Pos{File: "f", Line: 1}}})
		if (err == nil) != (onlyfrom.Check(s) == nil) {
			t.Errorf("Parse and Check do not agree about %q", s)
		}
		d := onlyfrom.Access{Only: l}.Decide(request("192.0.2.7", ""))
		if err != nil && d.Verdict != acl.Deny {
			t.Errorf("%q is a mistake, and lets in", s)
		}
		if (d.Verdict == acl.Allow) != (d.Rule == acl.Pos{File: "f", Line: 1}) {
			t.Errorf("%q: %v by %v", s, d.Verdict, d.Rule)
		}
	})
}
