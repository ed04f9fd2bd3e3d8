package lookup

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

func TestParseResolvConf(t *testing.T) {
	seconds := func(n ...int) (ds []time.Duration) {
		for _, s := range n {
			ds = append(ds, time.Duration(s)*time.Second)
		}
		return ds
	}
	servers := func(text ...string) (all []netip.AddrPort) {
		for _, s := range text {
			all = append(all, netip.AddrPortFrom(netip.MustParseAddr(s), 53))
		}
		return all
	}
	tests := []struct {
		src, host string
		want      Resolver
	}{
		{"", "mx", Resolver{Servers: servers("127.0.0.1"), Timeouts: seconds(5, 5)}},
		{"", "mx.example.com", Resolver{Servers: servers("127.0.0.1"), Timeouts: seconds(5, 5), Search: []string{"example.com"}}},
		{"# comment\n; comment\nnameserver 192.0.2.53\nnameserver 2001:db8::53 # here\nnameserver fe80::53%eth0\nnameserver 192.0.2.54\n", "",
			Resolver{Servers: servers("192.0.2.53", "2001:db8::53", "fe80::53%eth0"), Timeouts: seconds(5, 5)}}, // no more than three
		{"nameserver ns.example.com\nnameserver\nnonsense x\n", "", Resolver{Servers: servers("127.0.0.1"), Timeouts: seconds(5, 5)}},
		{"domain one.example\nsearch two.example. three.example\n", "mx.example.com",
			Resolver{Servers: servers("127.0.0.1"), Timeouts: seconds(5, 5), Search: []string{"two.example", "three.example"}}}, // the last one counts
		{"search .\n", "mx.example.com", Resolver{Servers: servers("127.0.0.1"), Timeouts: seconds(5, 5)}},
		{"options timeout:1 attempts:3 ndots:2 rotate\n", "", Resolver{Servers: servers("127.0.0.1"), Timeouts: seconds(1, 1, 1), Ndots: 2}},
		{"options timeout:999 attempts:999 ndots:999\n", "", Resolver{Servers: servers("127.0.0.1"), Timeouts: seconds(30, 30, 30, 30, 30), Ndots: 15}},
		{"options timeout:0 attempts:0 ndots:-1 timeout:x\n", "", Resolver{Servers: servers("127.0.0.1"), Timeouts: seconds(1)}},
		{"nameserver 192.0.2.53", "", Resolver{Servers: servers("192.0.2.53"), Timeouts: seconds(5, 5)}}, // no line feed
		{"nameserver 192.0.2.53\r\n", "", Resolver{Servers: servers("192.0.2.53"), Timeouts: seconds(5, 5)}},
	}
	for _, tt := range tests {
		if got := parseResolvConf(tt.src, 53, tt.host); !reflect.DeepEqual(*got, tt.want) {
			t.Errorf("%q: got %+v, want %+v", tt.src, *got, tt.want)
		}
	}
}

func TestDNSCacheIP(t *testing.T) {
	tests := []struct{ list, want string }{
		{"192.0.2.53", "192.0.2.53"},
		{"192.0.2.53.192.0.2.54", "192.0.2.53 192.0.2.54"}, // as the djb programs have it
		{"192.0.2.53 2001:db8::53,192.0.2.54", "192.0.2.53 2001:db8::53 192.0.2.54"},
		{"", ""},
		{"192.0.2", ""},
		{"192.0.2.53 nonsense 192.0.2.54", "192.0.2.53"},
		{strings.Repeat("192.0.2.53.", 20), strings.TrimSpace(strings.Repeat("192.0.2.53 ", 16))},
	}
	for _, tt := range tests {
		var got []string
		for _, a := range cacheAddrs(tt.list) {
			got = append(got, a.String())
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%q: got %q, want %q", tt.list, got, tt.want)
		}
	}
}

func TestDNSCacheIPStandsBeforeResolvConf(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(conf, []byte("nameserver 192.0.2.1\nsearch one.example\noptions timeout:1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"DNSCACHEIP": "192.0.2.53"}
	dns := DNSCacheIP(func(name string) (string, bool) { v, ok := env[name]; return v, ok }, conf)
	want := Resolver{
		Servers:  []netip.AddrPort{netip.MustParseAddrPort("192.0.2.53:53")},
		Timeouts: []time.Duration{3 * time.Second, 11 * time.Second, 45 * time.Second},
		Search:   []string{"one.example"},
	}
	if got := dns(); !reflect.DeepEqual(*got, want) {
		t.Errorf("set: %+v, want %+v", *got, want)
	}
	delete(env, "DNSCACHEIP")
	want.Servers[0] = netip.MustParseAddrPort("192.0.2.1:53")
	if got := dns(); !reflect.DeepEqual(*got, want) {
		t.Errorf("unset: %+v, want %+v", *got, want)
	}
}

func TestInNetgroup(t *testing.T) {
	const src = "# comment\n" +
		"trusted (mx.example,joe,nis) \\\n\t( ns.example , , )\n" +
		"nested trusted others\n" +
		"others\t(other.example,-,)\n" +
		"any (,,)\n" +
		"a b (a.example,,)\nb a (b.example,,)\n" +
		"torn (torn.example,,\n" +
		"short (short.example)\n" +
		"trusted (second.example,,)\n" +
		"empty\n" +
		"nobody (-,,)"
	tests := []struct {
		group, host string
		want        bool
	}{
		{"trusted", "mx.example", true},
		{"trusted", "MX.Example", true},
		{"trusted", "ns.example", true}, // the line goes on
		{"trusted", "other.example", false},
		{"trusted", "second.example", false}, // only the first line of a group counts
		{"Trusted", "mx.example", false},     // groups have a case
		{"nested", "mx.example", true},
		{"nested", "other.example", true},
		{"any", "unknown", true},
		{"a", "b.example", true}, // groups that name each other
		{"b", "nobody.example", false},
		{"torn", "torn.example", false},
		{"short", "short.example", false},
		{"empty", "", false},
		{"nobody", "mx.example", false},
		{"missing", "mx.example", false},
		{"", "", false},
	}
	for _, tt := range tests {
		if got := InNetgroup(src, tt.group, tt.host); got != tt.want {
			t.Errorf("%s in %s: got %v", tt.host, tt.group, got)
		}
	}
}

// A netgroup file of any shape is read in bounded time and only its words
// decide.
func FuzzInNetgroup(f *testing.F) {
	f.Add("a b\nb a (h,,)\n", "a", "h")
	f.Add("a (,,)", "a", "unknown")
	f.Add("a (h,u,d \\\n (,,)", "a", "h")
	f.Fuzz(func(t *testing.T, src, group, host string) {
		if InNetgroup(src, group, host) && !strings.Contains(src, group) {
			t.Errorf("%q has no group %q", src, group)
		}
	})
}

func FuzzFiles(f *testing.F) {
	f.Add("nameserver 192.0.2.53\noptions timeout:1\nsearch a b\n", "mx.example.com")
	f.Add("hosts: files [NOTFOUND=return] dns\n", "")
	f.Add("192.0.2.7 a b # c\n::1 localhost\n", "localhost")
	f.Fuzz(func(t *testing.T, src, name string) {
		r := parseResolvConf(src, 53, name)
		if n := len(r.Servers); n < 1 || n > 3 || len(r.Timeouts) < 1 || len(r.Timeouts) > 5 || len(r.Search) > 6 {
			t.Errorf("%q: %+v", src, r)
		}
		parseOrder(src)
		for _, v4 := range []bool{true, false} {
			_, one, _ := addrsIn(src, name, v4, false)
			_, all, _ := addrsIn(src, name, v4, true)
			if len(one) > 1 || len(one) > len(all) {
				t.Errorf("%q: %v of the first line, %v of all", src, one, all)
			}
			for _, a := range all {
				if a.Is4() != v4 {
					t.Errorf("%q: %v in the wrong family", src, a)
				}
			}
		}
	})
}

// A message of any shape ends in records or an error, and only a reply to the
// question is one.
func FuzzParseReply(f *testing.F) {
	q, err := newQuestion("7.2.0.192.in-addr.arpa", dnsmessage.TypePTR)
	if err != nil {
		f.Fatal(err)
	}
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: 7, Response: true}, Questions: []dnsmessage.Question{q.Question}}
	empty, _ := m.Pack()
	h := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 1 << 31}
	m.Answers = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.CNAMEResource{CNAME: q.Name}},
		{Header: h, Body: &dnsmessage.PTRResource{PTR: dnsmessage.MustNewName("mx.example.")}}}
	full, _ := m.Pack()
	f.Add(empty)
	f.Add(full)
	f.Add(full[:len(full)-2])
	f.Add(append(full[:20:20], 0xc0, 0x0c, 0xc0, 0x14))
	f.Fuzz(func(t *testing.T, msg []byte) {
		rec, err := q.parse(msg, 7)
		if err == nil && (len(rec.Names) == 0 || len(msg) < 12 || msg[0] != 0 || msg[1] != 7 || msg[2]&0x80 == 0) {
			t.Errorf("%q: %+v", msg, rec)
		}
		for _, n := range rec.Names {
			if len(n) > 254 {
				t.Errorf("a name of %d bytes", len(n))
			}
		}
		if rec.TTL < 0 {
			t.Errorf("TTL %v", rec.TTL)
		}
	})
}
