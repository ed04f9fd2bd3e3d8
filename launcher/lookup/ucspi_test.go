package lookup_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"doorward/acl"
	"doorward/launcher/internal/dnstest"
	"doorward/launcher/lookup"
)

func TestUCSPINames(t *testing.T) {
	const ptr6 = "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."
	found := func(name string) acl.Answer { return acl.Answer{Status: acl.Found, Text: name} }
	absent, failed, forged := acl.Answer{Status: acl.Absent}, acl.Answer{Status: acl.Failed}, acl.Answer{Status: acl.Forged}
	forward := map[string][]string{"mx.example.com.": {"192.0.2.7", "2001:db8::7"}, "bank.example.": {"203.0.113.9"}}
	tests := []struct {
		what                        string
		remote                      string
		ptr                         string
		fault                       map[string]dnstest.Fault
		tcpserver, paranoid, tcpenv acl.Answer
	}{
		{"a name", "192.0.2.7:1", "MX.Example.COM.", nil, found("mx.example.com"), found("mx.example.com"), found("mx.example.com")},
		{"a name of IPv6", "[2001:db8::7]:1", "MX.Example.COM.", nil, found("mx.example.com"), found("mx.example.com"), found("mx.example.com")},
		{"the first name", "192.0.2.7:1", "bank.example.|mx.example.com.", nil, found("bank.example"), forged, found("bank.example")},
		{"a name without address", "192.0.2.7:1", "ghost.example.", nil, found("ghost.example"), forged, found("ghost.example")},
		{"a number", "192.0.2.7:1", "1.2.3.4.", nil, found("1.2.3.4"), forged, found("1.2.3.4")},
		{"odd bytes", "192.0.2.7:1", "a;b$C d\n.example.", nil, found(`a\073b\044c\040d\012.example`), forged, found(`a\;b\$c\032d\010.example`)},
		{"high bytes", "192.0.2.7:1", "\xe9\x7f\\.", nil, found(`\351\177\134`), forged, found(`\233\127\\`)},
		{"the root", "192.0.2.7:1", ".", nil, found("."), forged, found("")},
		{"no name", "192.0.2.7:1", "", nil, absent, absent, absent},
		{"a server that fails", "192.0.2.7:1", "mx.example.com.", everywhere(dnstest.ServFail), failed, failed, failed},
		{"a server that refuses", "192.0.2.7:1", "mx.example.com.", everywhere(dnstest.Refused), failed, failed, failed},
		{"a server that is silent", "192.0.2.7:1", "mx.example.com.", everywhere(dnstest.Silent), failed, failed, failed},
		{"a way back that fails", "192.0.2.7:1", "mx.example.com.", map[string]dnstest.Fault{"mx.example.com.": dnstest.ServFail}, found("mx.example.com"), failed, found("mx.example.com")},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			z := zone{addrs: forward, faults: tt.fault}
			if tt.ptr != "" {
				z.ptr = map[string]string{ptr7: tt.ptr, ptr6: tt.ptr}
			}
			res := resolver(serve(t, z))
			u := lookup.UCSPI{DNS: func() *lookup.Resolver { return res }}
			ask := func(fs lookup.Finders, k acl.Kind) acl.Answer {
				r := &acl.Request{Remote: netip.MustParseAddrPort(tt.remote), Local: netip.MustParseAddrPort(tt.remote)}
				fs.Attach(context.Background(), r, 5*time.Second)
				return r.Get(k, "")
			}
			if got := ask(u.TCPServer(), acl.Name); got != tt.tcpserver {
				t.Errorf("tcpserver: got %v, want %v", got, tt.tcpserver)
			}
			if got := ask(u.TCPEnv(), acl.Name); got != tt.tcpenv {
				t.Errorf("tcp-env: got %v, want %v", got, tt.tcpenv)
			}
			u.Paranoid = true
			if got := ask(u.TCPServer(), acl.Name); got != tt.paranoid {
				t.Errorf("tcpserver -p: got %v, want %v", got, tt.paranoid)
			}
			if got := ask(u.TCPServer(), acl.LocalName); got != tt.tcpserver { // -p is about the client
				t.Errorf("tcpserver, the local name: got %v, want %v", got, tt.tcpserver)
			}
			if got := ask(u.TCPEnv(), acl.LocalName); got != tt.tcpenv {
				t.Errorf("tcp-env, the local name: got %v, want %v", got, tt.tcpenv)
			}
		})
	}
}

// A PTR record may be an alias of one elsewhere (RFC 2317).
func TestUCSPINameOfADelegatedAddress(t *testing.T) {
	s := serve(t, zone{cname: map[string]string{ptr7: "7.0-63.2.0.192.in-addr.arpa."}, ptr: map[string]string{"7.0-63.2.0.192.in-addr.arpa.": "mx.example.com."}})
	res := resolver(s)
	r := &acl.Request{Remote: netip.MustParseAddrPort("192.0.2.7:1")}
	lookup.UCSPI{DNS: func() *lookup.Resolver { return res }}.TCPServer().Attach(context.Background(), r, time.Second)
	if got := r.Get(acl.Name, ""); got.Text != "mx.example.com" {
		t.Errorf("got %v", got)
	}
}

func TestUCSPIWithoutAddress(t *testing.T) {
	u := lookup.UCSPI{DNS: func() *lookup.Resolver { t.Error("asked DNS"); return &lookup.Resolver{} }, Wait: time.Second}
	for _, fs := range []lookup.Finders{u.TCPEnv(), u.TCPServer()} {
		r := &acl.Request{}
		fs.Attach(context.Background(), r, time.Second)
		for _, k := range []acl.Kind{acl.Name, acl.LocalName, acl.Ident, acl.Listed} {
			if got := r.Get(k, ""); got != (acl.Answer{}) {
				t.Errorf("kind %d: got %v", k, got)
			}
		}
	}
}
