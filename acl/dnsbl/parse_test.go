package dnsbl_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"doorward/acl"
	"doorward/acl/dnsbl"

	"pgregory.net/rapid"
)

func TestParseZonesNamesEachBadWord(t *testing.T) {
	src := "ok.example a..b -x.example=127.0.0.2 ok2.example=127.0.0.2*3 z.example=128.0.0.2 z.example*0 z.example*1001 z.example*x z.example= =127.0.0.2 " +
		strings.Repeat("x", 64) + ".example " + strings.Repeat("x.", 95) + "y"
	zones, err := dnsbl.ParseZones(pos, src)
	if len(zones) != 3 || zones[0].Name != "ok.example" || zones[2].Weight != 3 || zones[2].Codes.String() != "127.0.0.2" || zones[2].Pos != pos {
		t.Errorf("zones %+v", zones)
	}
	for _, want := range []string{
		`smtp.conf:3: "a..b": not the name of a zone`,
		`smtp.conf:3: "z.example=128.0.0.2": a code begins with 127`,
		`smtp.conf:3: "z.example*0": want a weight from 1 to 1000 after the *`,
		`smtp.conf:3: "z.example*1001": want a weight from 1 to 1000 after the *`,
		`smtp.conf:3: "z.example*x": want a weight from 1 to 1000 after the *`,
		`smtp.conf:3: "z.example=": want codes such as 127.0.0.[2..11]`,
		`smtp.conf:3: "=127.0.0.2": not the name of a zone`,
		`x.example": not the name of a zone`,
		`x.y": a zone has at most 189 bytes`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no error %q in:\n%v", want, err)
		}
	}
	var syntax *acl.SyntaxError
	if !errors.As(err, &syntax) || syntax.Text != "a..b" {
		t.Errorf("first error %v", syntax)
	}
}

func TestParseAllowTakesNoSign(t *testing.T) {
	zones, err := dnsbl.ParseAllow(pos, "w.example*2 v.example*-2")
	if len(zones) != 1 || zones[0].Weight != -2 || err == nil {
		t.Errorf("%+v %v", zones, err)
	}
}

func TestCodes(t *testing.T) {
	tests := []struct {
		src      string
		yes, no_ string
	}{
		{"127.0.0.2", "127.0.0.2", "127.0.0.3 127.0.1.2 127.1.0.2"},
		{"127.0.0.2;127.0.0.3", "127.0.0.2 127.0.0.3", "127.0.0.4"},
		{"127.0.0.[2..11]", "127.0.0.2 127.0.0.11", "127.0.0.1 127.0.0.12"},
		{"127.0.0.[2;4..6;255]", "127.0.0.2 127.0.0.4 127.0.0.6 127.0.0.255", "127.0.0.3 127.0.0.7"},
		{"127.0.[0..255].[1..3];127.1.0.9", "127.0.0.1 127.0.255.3 127.1.0.9", "127.0.0.4 ::1 10.0.0.1"},
		{"127.0.0.1", "127.0.0.1", "127.0.0.2"},
	}
	for _, tt := range tests {
		c, err := dnsbl.ParseCodes(tt.src)
		if err != nil {
			t.Errorf("%s: %v", tt.src, err)
			continue
		}
		for _, a := range strings.Fields(tt.yes) {
			if !c.Match(netip.MustParseAddr(a)) {
				t.Errorf("%s does not match %s", tt.src, a)
			}
		}
		for _, a := range strings.Fields(tt.no_) {
			if c.Match(netip.MustParseAddr(a)) {
				t.Errorf("%s matches %s", tt.src, a)
			}
		}
	}
}

func TestParseCodesRefuses(t *testing.T) {
	for _, src := range []string{
		"", "127", "127.0.0", "127.0.0.", "127.0.0.256", "127.0.0.2;", "127.0.0.2,127.0.0.3", "127.0.0.[", "127.0.0.[]",
		"127.0.0.[2..]", "127.0.0.[11..2]", "127.0.0.[2..4..6]", "127.0.0.2.3", "126.0.0.2", "[126..127].0.0.2", "127.255.255.254",
		"127.255.255.[0..255]", "x", "127.0.0.-1", "127.0.0.+1", strings.Repeat("127.0.0.2;", 64) + "127.0.0.2",
	} {
		if _, err := dnsbl.ParseCodes(src); err == nil {
			t.Errorf("%q was taken", src)
		}
	}
}

func TestQuery(t *testing.T) {
	tests := []struct{ ip, want string }{
		{"192.0.2.99", "99.2.0.192.bad.example"},
		{"::ffff:192.0.2.99", "99.2.0.192.bad.example"},
		// RFC 5782, 2.4
		{"2001:db8:1:2:3:4:567:89ab", "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.bad.example"},
		{"fe80::1%eth0", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.e.f.bad.example"},
		{"", "bad.example"},                // rblsmtpd without TCPREMOTEIP
		{"192.0.2", "2.0.192.bad.example"}, // no address: reversed at its dots
		{"unknown", "unknown.bad.example"},
	}
	for _, tt := range tests {
		if got := dnsbl.QueryText(tt.ip, "bad.example"); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.ip, got, tt.want)
		}
	}
	if got := dnsbl.Query(netip.Addr{}, "bad.example"); got != "bad.example" {
		t.Errorf("no address: %s", got)
	}
}

func TestQuestionSurvivesItsArgument(t *testing.T) {
	for _, q := range []dnsbl.Question{{"a.example", true, true}, {"a.example", true, false}, {"a b:%IP%", false, true}} {
		if got := dnsbl.ParseQuestion(q.Arg()); got != q {
			t.Errorf("%+v became %+v", q, got)
		}
	}
}

func TestTemplate(t *testing.T) {
	tests := []struct{ template, text, want string }{
		{"", "because", "because"},
		{"", "", "192.0.2.7 is listed by a.example"},
		{"%a %z %t 100%%t", "why", "192.0.2.7 a.example why 100%t"},
		{"see %t", "%a\r\n", "see %a??"}, // the list's text is not a template
	}
	for _, tt := range tests {
		tmpl, err := dnsbl.ParseTemplate(tt.template)
		if got := tmpl.Expand(netip.MustParseAddr("192.0.2.7"), "a.example", tt.text); got != tt.want || err != nil {
			t.Errorf("%q: %q, want %q; %v", tt.template, got, tt.want, err)
		}
	}
	for _, bad := range []string{"%", "100%", "%s", "%a %"} {
		if _, err := dnsbl.ParseTemplate(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func FuzzParseZones(f *testing.F) {
	f.Add("zen.example=127.0.0.[2..11]*2, list.example=127.0.0.2;127.0.0.[3;5..7]*-3")
	f.Add("a.example=*1 *2 =3 a=b=c*d*e")
	f.Fuzz(func(t *testing.T, src string) {
		zones, _ := dnsbl.ParseZones(acl.Pos{}, src)
		for _, z := range zones {
			if z.Weight == 0 || z.Name == "" || len(dnsbl.Query(netip.IPv6Unspecified(), z.Name)) > 253 {
				t.Errorf("%q: %+v", src, z)
			}
			// What was read can be read again.
			again, err := dnsbl.ParseCodes(z.Codes.String())
			if z.Codes.String() != "" && (err != nil || again.String() != z.Codes.String()) {
				t.Errorf("%q: %v", z.Codes, err)
			}
			if z.Codes.Match(netip.MustParseAddr("192.0.2.1")) {
				t.Errorf("%q lists by an address outside of 127.0.0.0/8", z.Codes)
			}
		}
	})
}

func FuzzTemplate(f *testing.F) {
	f.Add("%a is in %z: %t 100%%", "text\r\n")
	f.Fuzz(func(t *testing.T, template, text string) {
		tmpl, err := dnsbl.ParseTemplate(template)
		if err != nil {
			return
		}
		got := tmpl.Expand(netip.MustParseAddr("192.0.2.7"), "a.example", text)
		if len(got) > dnsbl.MaxReply || strings.Trim(got, printable) != "" {
			t.Errorf("%q with %q: %q", template, text, got)
		}
	})
}

func FuzzJudge(f *testing.F) {
	f.Add("127.0.0.2 127.0.0.4\ntext", 1)
	f.Add("127.0.10.3", -1)
	f.Fuzz(func(t *testing.T, answer string, weight int) {
		z := dnsbl.Zone{Name: "a.example", Weight: weight}
		o := z.Judge(acl.Answer{Status: acl.Found, Text: answer})
		if o.Listed && (o.Fault != "" || !o.Heard || !z.Codes.Match(o.Code)) {
			t.Errorf("%q: %+v", answer, o)
		}
	})
}

// printable are the bytes from space to tilde.
var printable = func() string {
	var b strings.Builder
	for c := byte(' '); c <= '~'; c++ {
		b.WriteByte(c)
	}
	return b.String()
}()

func TestListingSurvivesItsText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		last := rapid.SliceOfN(rapid.Byte(), 1, 4).Draw(t, "codes")
		l := dnsbl.Listing{Text: rapid.String().Draw(t, "text")}
		for _, b := range last {
			l.Addrs = append(l.Addrs, netip.AddrFrom4([4]byte{127, 0, 1, b}))
		}
		o := (&dnsbl.Zone{Name: "a.example", Weight: 1}).Judge(acl.Answer{Status: acl.Found, Text: l.String()})
		if !o.Listed || o.Code != l.Addrs[0] || o.Text != l.Text {
			t.Fatalf("%q: %+v", l, o)
		}
	})
}

// The names are those of RFC 5782, 5: the IPv6 ones by their nibbles, though
// an IPv4 address is within.
func TestNamesThatEveryListHasAndNoneHas(t *testing.T) {
	zeros := strings.Repeat("0.", 20)
	tests := []struct{ got, want string }{
		{dnsbl.MustHave("a.example", false), "2.0.0.127.a.example"},
		{dnsbl.MustNotHave("a.example", false), "1.0.0.127.a.example"},
		{dnsbl.MustHave("a.example", true), "2.0.0.0.0.0.f.7.f.f.f.f." + zeros + "a.example"},
		{dnsbl.MustNotHave("a.example", true), "1.0.0.0.0.0.f.7.f.f.f.f." + zeros + "a.example"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("got %s, want %s", tt.got, tt.want)
		}
	}
}
