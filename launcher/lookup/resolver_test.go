package lookup_test

import (
	"context"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"doorward/launcher/internal/dnstest"
	"doorward/launcher/lookup"
)

const ptr7 = "7.2.0.192.in-addr.arpa."

func TestLookup(t *testing.T) {
	s := serve(t, zone{
		ptr: map[string]string{ptr7: "MX.Example.COM.|second.example."},
		addrs: map[string][]string{"mx.example.com.": {"192.0.2.7", "192.0.2.8", "2001:db8::7"},
			"real.example.": {"192.0.2.9"}},
		cname: map[string]string{"alias.example.": "Real.example.", "a.loop.": "b.loop.", "b.loop.": "a.loop.", "dangling.example.": "nowhere.example."},
		txt:   map[string][]string{"txt.example.": {"one ", "two"}},
		soa:   true,
	})
	addr := netip.MustParseAddr
	tests := []struct {
		name, outcome string
		typ           dnsmessage.Type
		want          lookup.Records
	}{
		{"7.2.0.192.in-addr.arpa", "found", dnsmessage.TypePTR,
			lookup.Records{Name: "7.2.0.192.in-addr.arpa", Names: []string{"MX.Example.COM", "second.example"}, TTL: 300 * time.Second}},
		{"mx.example.com", "found", dnsmessage.TypeA,
			lookup.Records{Name: "mx.example.com", Addrs: []netip.Addr{addr("192.0.2.7"), addr("192.0.2.8")}, TTL: 300 * time.Second}},
		{"MX.example.com", "found", dnsmessage.TypeAAAA,
			lookup.Records{Name: "MX.example.com", Addrs: []netip.Addr{addr("2001:db8::7")}, TTL: 300 * time.Second}},
		{"alias.example", "found", dnsmessage.TypeA, // the lower TTL of the two counts
			lookup.Records{Name: "Real.example", Addrs: []netip.Addr{addr("192.0.2.9")}, TTL: 60 * time.Second}},
		{"txt.example", "found", dnsmessage.TypeTXT,
			lookup.Records{Name: "txt.example", Texts: []string{"one two"}, TTL: 300 * time.Second}},
		{"real.example", "absent", dnsmessage.TypeAAAA, lookup.Records{Name: "real.example", TTL: 120 * time.Second}}, // no data
		{"nowhere.example", "absent", dnsmessage.TypeA, lookup.Records{Name: "nowhere.example", TTL: 120 * time.Second}},
		{"dangling.example", "absent", dnsmessage.TypeA, lookup.Records{Name: "nowhere.example"}},
		{"a.loop", "failed", dnsmessage.TypeA, lookup.Records{}},
		{strings.Repeat("a", 64) + ".example", "failed", dnsmessage.TypeA, lookup.Records{}},
		{strings.Repeat("a.", 127) + "example", "failed", dnsmessage.TypeA, lookup.Records{}},
		{"a..example", "failed", dnsmessage.TypeA, lookup.Records{}},
	}
	for _, tt := range tests {
		t.Run(tt.name+" "+tt.typ.String(), func(t *testing.T) {
			got, err := resolver(s).Lookup(context.Background(), tt.name, tt.typ)
			if outcome(err) != tt.outcome || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, %v, want %+v, %s", got, err, tt.want, tt.outcome)
			}
		})
	}
}

// Whatever a server does, the right answer is found or none: never a forged
// one, and not later than the time allows.
func TestLookupFromAFaultyServer(t *testing.T) {
	tests := []struct {
		fault   dnstest.Fault
		outcome string
		asked   string
	}{
		{"", "found", "A a.example."},
		{dnstest.Silent, "failed", "A a.example."},
		{dnstest.Late, "failed", "A a.example."},
		{dnstest.ServFail, "failed", "A a.example."},
		{dnstest.Refused, "failed", "A a.example."},
		{dnstest.NoEDNS, "found", "A a.example., A a.example."},
		{dnstest.Truncated, "found", "A a.example., tcp A a.example."},
		{dnstest.CutOff, "failed", "A a.example., tcp A a.example."},
		{dnstest.WrongID, "found", "A a.example."},
		{dnstest.OnlyWrongID, "failed", "A a.example."},
		{dnstest.WrongName, "found", "A a.example."},
		{dnstest.Echo, "found", "A a.example."},
		{dnstest.Garbage, "found", "A a.example."},
		{dnstest.OnlyGarbage, "failed", "A a.example."},
		{dnstest.Oversize, "found", "A a.example., tcp A a.example."},
		{dnstest.Loop, "found", "A a.example."}, // beyond the answers, where nobody looks
		{dnstest.Torn, "failed", "A a.example."},
	}
	for _, tt := range tests {
		t.Run(string(tt.fault), func(t *testing.T) {
			t.Parallel()
			s := serve(t, zone{addrs: map[string][]string{"a.example.": {"192.0.2.7"}}, faults: everywhere(tt.fault)})
			start := time.Now()
			rec, err := resolver(s).Lookup(context.Background(), "a.example", dnsmessage.TypeA)
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("took %v", took)
			}
			if outcome(err) != tt.outcome {
				t.Fatalf("got %v, %v, want %s", rec, err, tt.outcome)
			}
			if err == nil && !slices.Equal(rec.Addrs, []netip.Addr{netip.MustParseAddr("192.0.2.7")}) {
				t.Errorf("got %v", rec.Addrs)
			}
			if asked := strings.Join(s.Questions(), ", "); asked != tt.asked {
				t.Errorf("asked %s, want %s", asked, tt.asked)
			}
		})
	}
}

func TestLookupAsksTheNextServer(t *testing.T) {
	good := serve(t, zone{addrs: map[string][]string{"a.example.": {"192.0.2.7"}}})
	for _, f := range []dnstest.Fault{dnstest.Silent, dnstest.ServFail, dnstest.Refused, dnstest.Torn, dnstest.CutOff} {
		bad := serve(t, zone{faults: everywhere(f)})
		_, err := resolver(bad, good).Lookup(context.Background(), "a.example", dnsmessage.TypeA)
		if err != nil {
			t.Errorf("%s, then a good server: %v", f, err)
		}
	}
	r := resolver(good)
	r.Servers = append([]netip.AddrPort{nobody(t)}, r.Servers...)
	if _, err := r.Lookup(context.Background(), "a.example", dnsmessage.TypeA); err != nil {
		t.Errorf("nobody, then a good server: %v", err)
	}
}

// A server that was silent may have lost a packet; one that has reported a
// failure would report it again.
func TestLookupAsksAgain(t *testing.T) {
	tests := []struct {
		fault dnstest.Fault
		want  int
	}{{dnstest.Silent, 3}, {dnstest.ServFail, 1}, {"", 1}}
	for _, tt := range tests {
		s := serve(t, zone{faults: everywhere(tt.fault)})
		r := resolver(s)
		r.Timeouts = slices.Repeat([]time.Duration{20 * time.Millisecond}, 3)
		r.Lookup(context.Background(), "a.example", dnsmessage.TypeA)
		if n := len(s.Questions()); n != tt.want {
			t.Errorf("%q: asked %d times, want %d", tt.fault, n, tt.want)
		}
	}
}

func TestLookupEndsWithItsContext(t *testing.T) {
	s := serve(t, zone{faults: everywhere(dnstest.Silent)})
	r := resolver(s)
	r.Timeouts = []time.Duration{time.Minute}

	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := r.Lookup(ctx, "a.example", dnsmessage.TypeA)
	if took := time.Since(start); took > 5*time.Second || outcome(err) != "failed" {
		t.Errorf("a deadline: took %v, %v", took, err)
	}

	ctx, cancel = context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	start = time.Now()
	_, err = r.Lookup(ctx, "a.example", dnsmessage.TypeA)
	if took := time.Since(start); took > 5*time.Second || outcome(err) != "failed" {
		t.Errorf("a cancel: took %v, %v", took, err)
	}
	cancel()
	s.Questions()
	if _, err := r.Lookup(ctx, "a.example", dnsmessage.TypeA); outcome(err) != "failed" || len(s.Questions()) != 0 {
		t.Errorf("a context that is over: %v", err)
	}
}

func TestCandidates(t *testing.T) {
	tests := []struct {
		name  string
		ndots int
		want  string
	}{
		{"mx.example.com", 0, "mx.example.com mx.example.com.one.example mx.example.com.two.example"},
		{"alpha", 0, "alpha.one.example alpha.two.example alpha"},
		{"a.b", 2, "a.b.one.example a.b.two.example a.b"},
	}
	for _, tt := range tests {
		r := lookup.Resolver{Search: []string{"one.example", "two.example"}, Ndots: tt.ndots}
		var got []string
		for c := range r.Candidates(tt.name) {
			got = append(got, c)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s, ndots %d: got %q, want %q", tt.name, tt.ndots, got, tt.want)
		}
	}
}

func TestReverseName(t *testing.T) {
	tests := []struct{ addr, want string }{
		{"192.0.2.7", "7.2.0.192.in-addr.arpa"},
		{"::ffff:192.0.2.7", "7.2.0.192.in-addr.arpa"},
		{"2001:db8::7", "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"},
		{"fe80::1%eth0", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.e.f.ip6.arpa"},
	}
	for _, tt := range tests {
		if got := lookup.ReverseName(netip.MustParseAddr(tt.addr)); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.addr, got, tt.want)
		}
	}
}
