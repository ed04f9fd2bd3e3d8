package lookup_test

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"doorward/acl"
	"doorward/launcher/internal/dnstest"
	"doorward/launcher/lookup"
)

// system is a System of files with that content, and of one DNS server; nil:
// none that answers.
func system(t *testing.T, files map[string]string, s *dnstest.Server) lookup.System {
	t.Helper()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	sys := lookup.System{ResolvConf: path("resolv.conf"), Hosts: path("hosts"), Nsswitch: path("nsswitch.conf"),
		HostConf: path("host.conf"), Netgroup: path("netgroup")}
	all := map[string]string{"resolv.conf": "nameserver 127.0.0.1\noptions timeout:1 attempts:1\nsearch corp.example\n",
		"nsswitch.conf": "hosts: files dns\n", "host.conf": "multi on\n"}
	for name, content := range files {
		all[name] = content
	}
	for name, content := range all {
		if err := os.WriteFile(path(name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if s != nil {
		sys.Port = s.Addr.Port()
	} else {
		sys.Port = nobody(t).Port()
	}
	return sys
}

func TestWrappersName(t *testing.T) {
	const ptr66 = "66.2.0.192.in-addr.arpa."
	long := strings.Repeat("a", 60) + "." + strings.Repeat("b", 60) + "."
	tests := []struct {
		what   string
		hosts  string
		ptr    string
		addrs  map[string][]string
		cname  map[string]string
		faults map[string]dnstest.Fault
		status acl.Status
		text   string
		warn   string
	}{
		{what: "no name"},
		{what: "a name in the hosts file", hosts: "192.0.2.66 GOOD.Example alias # one.example\n", status: acl.Found, text: "GOOD.Example"},
		{what: "a name that leads back", ptr: "good.example.", addrs: map[string][]string{"good.example.": {"192.0.2.1", "192.0.2.66"}},
			status: acl.Found, text: "good.example"},
		{what: "the hosts file goes before DNS", hosts: "192.0.2.66 good.example\n", ptr: "bad.example.", status: acl.Found, text: "good.example"},
		{what: "all lines of a name count", hosts: "192.0.2.1 bad.example\n192.0.2.66 bad.example\n", status: acl.Found, text: "bad.example"},
		{what: "an alias of another host", hosts: "192.0.2.1 real.example bad.example\n192.0.2.66 bad.example\n",
			status: acl.Forged, warn: "host name/name mismatch: bad.example != real.example"},
		{what: "a name of another address", ptr: "bank.example.", addrs: map[string][]string{"bank.example.": {"203.0.113.9"}},
			status: acl.Forged, warn: "host name/address mismatch: 192.0.2.66 != bank.example"},
		{what: "a name without address", ptr: "ghost.example.",
			status: acl.Forged, warn: "can't verify hostname: getaddrinfo(ghost.example, AF_INET) failed"},
		{what: "a name of the other family", ptr: "six.example.", addrs: map[string][]string{"six.example.": {"2001:db8::1"}},
			status: acl.Forged, warn: "can't verify hostname: getaddrinfo(six.example, AF_INET) failed"},
		{what: "an alias in DNS", ptr: "www.example.", addrs: map[string][]string{"real.example.": {"192.0.2.66"}}, cname: map[string]string{"www.example.": "real.example."},
			status: acl.Forged, warn: "host name/name mismatch: www.example != real.example"},
		{what: "a number for a name", ptr: "192.0.2.66.", addrs: map[string][]string{"192.0.2.66.": {"192.0.2.66"}},
			status: acl.Forged, warn: "host name/name mismatch: reverse lookup results in non-FQDN 192.0.2.66"},
		{what: "a short number for a name", ptr: "10.", addrs: map[string][]string{"10.": {"192.0.2.66"}},
			status: acl.Forged, warn: "host name/name mismatch: reverse lookup results in non-FQDN 10"},
		{what: "what is no number", ptr: "256.1.1.1.", addrs: map[string][]string{"256.1.1.1.": {"192.0.2.66"}}, status: acl.Found, text: "256.1.1.1"},
		{what: "a hyphen in front", ptr: "-a.example.", addrs: map[string][]string{"-a.example.": {"192.0.2.66"}}},
		{what: "hyphens elsewhere, underscores", ptr: "a_b.-c.x-.example.", addrs: map[string][]string{"a_b.-c.x-.example.": {"192.0.2.66"}}, status: acl.Found, text: "a_b.-c.x-.example"},
		{what: "an octal number for a name", ptr: "0300.0x200.", status: acl.Forged, warn: "host name/name mismatch: reverse lookup results in non-FQDN 0300.0x200"},
		{what: "localhost from afar", hosts: "127.0.0.1 localhost\n", ptr: "localhost.",
			status: acl.Forged, warn: "host name/address mismatch: 192.0.2.66 != localhost"},
		{what: "only the first name counts", ptr: "one.example.|two.example.", addrs: map[string][]string{"one.example.": {"192.0.2.1"}, "two.example.": {"192.0.2.66"}},
			status: acl.Forged, warn: "host name/address mismatch: 192.0.2.66 != one.example"},
		{what: "a name without dots", ptr: "alpha.", addrs: map[string][]string{"alpha.": {"192.0.2.66"}}, status: acl.Found, text: "alpha"},
		{what: "a name without dots is searched first", ptr: "alpha.", addrs: map[string][]string{"alpha.": {"192.0.2.66"}, "alpha.corp.example.": {"192.0.2.66"}},
			status: acl.Forged, warn: "host name/name mismatch: alpha != alpha.corp.example"},
		{what: "odd bytes are no name", ptr: "a;b.example.", addrs: map[string][]string{"a;b.example.": {"192.0.2.66"}}},
		{what: "a line feed is no name", ptr: "a\nb.example.", addrs: map[string][]string{"a\nb.example.": {"192.0.2.66"}}},
		{what: "an alias with odd bytes", ptr: "www.example.", addrs: map[string][]string{"a\nb.": {"192.0.2.66"}}, cname: map[string]string{"www.example.": "a\nb."},
			status: acl.Forged, warn: "can't verify hostname: getaddrinfo(www.example, AF_INET) failed"},
		{what: "127 bytes", ptr: long + "examp.", addrs: map[string][]string{long + "examp.": {"192.0.2.66"}}, status: acl.Found, text: long + "examp"},
		{what: "128 bytes lose one", ptr: long + "exampl.", addrs: map[string][]string{long + "exampl.": {"192.0.2.66"}},
			status: acl.Forged, warn: "can't verify hostname: getaddrinfo(" + long + "examp, AF_INET) failed"},
		{what: "a failure to find the name", ptr: "good.example.", faults: map[string]dnstest.Fault{ptr66: dnstest.ServFail}},
		{what: "a failure to verify the name", ptr: "good.example.", faults: map[string]dnstest.Fault{"good.example.": dnstest.ServFail},
			status: acl.Forged, warn: "can't verify hostname: getaddrinfo(good.example, AF_INET) failed"},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			z := zone{addrs: tt.addrs, cname: tt.cname, faults: tt.faults}
			if tt.ptr != "" {
				z.ptr = map[string]string{ptr66: tt.ptr}
			}
			warned := ""
			w := lookup.Wrappers{System: system(t, map[string]string{"hosts": tt.hosts}, serve(t, z)), Warn: func(s string) { warned += s }}
			r := &acl.Request{Remote: netip.MustParseAddrPort("192.0.2.66:40001")}
			w.Finders().Attach(context.Background(), r, 5*time.Second)
			if got, want := r.Get(acl.Name, ""), (acl.Answer{Status: tt.status, Text: tt.text}); got != want {
				t.Errorf("got %v, want %v", got, want)
			}
			if warned != tt.warn {
				t.Errorf("warned %q, want %q", warned, tt.warn)
			}
		})
	}
}

func TestWrappersNameSystem(t *testing.T) {
	z := zone{ptr: map[string]string{ptr7: "dns.example."}, addrs: map[string][]string{"dns.example.": {"192.0.2.7"}}}
	tests := []struct {
		what  string
		files map[string]string
		want  acl.Answer
	}{
		{"DNS goes first", map[string]string{"nsswitch.conf": "hosts: dns files\n", "hosts": "192.0.2.7 file.example\n"}, acl.Answer{Status: acl.Found, Text: "dns.example"}},
		{"files alone", map[string]string{"nsswitch.conf": "passwd: files\nhosts: files # dns\n"}, acl.Answer{}},
		{"an action ends the search", map[string]string{"nsswitch.conf": "hosts: files [NOTFOUND=return] dns\n"}, acl.Answer{}},
		{"an action of a source that is passed over", map[string]string{"nsswitch.conf": "hosts: files mdns4_minimal [NOTFOUND=return] dns\n"}, acl.Answer{Status: acl.Found, Text: "dns.example"}},
		{"no hosts line", map[string]string{"nsswitch.conf": "passwd: files\n"}, acl.Answer{Status: acl.Found, Text: "dns.example"}},
		{"the first line of a name alone", map[string]string{"host.conf": "multi off\n", "hosts": "192.0.2.1 a.example\n192.0.2.7 a.example\n"}, acl.Answer{Status: acl.Forged}},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			r := &acl.Request{Remote: netip.MustParseAddrPort("192.0.2.7:40001")}
			lookup.Wrappers{System: system(t, tt.files, serve(t, z))}.Finders().Attach(context.Background(), r, 5*time.Second)
			if got := r.Get(acl.Name, ""); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// An IPv4 address for a name of an IPv6 client would match rules for IPv4.
func TestWrappersNumberOfTheOtherFamily(t *testing.T) {
	const ptr = "6.6.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."
	z := zone{ptr: map[string]string{ptr: "10.0.0.1."}, addrs: map[string][]string{"10.0.0.1.": {"2001:db8::66"}}}
	warned := ""
	w := lookup.Wrappers{System: system(t, nil, serve(t, z)), Warn: func(s string) { warned += s }}
	r := &acl.Request{Remote: netip.MustParseAddrPort("[2001:db8::66]:40001")}
	w.Finders().Attach(context.Background(), r, 5*time.Second)
	if got := r.Get(acl.Name, ""); got.Status != acl.Forged || warned != "can't verify hostname: getaddrinfo(10.0.0.1, AF_INET6) failed" {
		t.Errorf("got %v, %q", got, warned)
	}
}

// A machine whose name for itself is another one still counts as localhost.
func TestWrappersLocalhostMayBeAnAlias(t *testing.T) {
	sys := system(t, map[string]string{"nsswitch.conf": "hosts: dns files\n", "hosts": "192.0.2.7 me.example localhost\n"},
		serve(t, zone{ptr: map[string]string{ptr7: "localhost."}}))
	r := &acl.Request{Remote: netip.MustParseAddrPort("192.0.2.7:40001")}
	lookup.Wrappers{System: sys}.Finders().Attach(context.Background(), r, 5*time.Second)
	if got := r.Get(acl.Name, ""); got != (acl.Answer{Status: acl.Found, Text: "localhost"}) {
		t.Errorf("got %v", got)
	}
}

func TestWrappersNameFamilies(t *testing.T) {
	hosts := "::1 ip6-localhost\n2001:db8::1 real.example bad.example\n2001:db8::66 bad.example\n2001:db8::7 six.example\n::ffff:192.0.2.9 mapped.example\n"
	tests := []struct {
		remote string
		want   acl.Answer
		warn   string
	}{
		{"[2001:db8::7]:1", acl.Answer{Status: acl.Found, Text: "six.example"}, ""},
		{"[2001:db8::66]:1", acl.Answer{Status: acl.Forged}, "host name/name mismatch: bad.example != real.example"},
		{"[::1]:1", acl.Answer{Status: acl.Found, Text: "ip6-localhost"}, ""},
		{"127.0.0.1:1", acl.Answer{Status: acl.Found, Text: "ip6-localhost"}, ""}, // the C library reads ::1 so
		{"192.0.2.9:1", acl.Answer{Status: acl.Found, Text: "mapped.example"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.remote, func(t *testing.T) {
			warned := ""
			w := lookup.Wrappers{System: system(t, map[string]string{"hosts": hosts}, nil), Warn: func(s string) { warned += s }}
			r := &acl.Request{Remote: netip.MustParseAddrPort(tt.remote), Local: netip.MustParseAddrPort(tt.remote)}
			w.Finders().Attach(context.Background(), r, 5*time.Second)
			if got := r.Get(acl.Name, ""); got != tt.want || warned != tt.warn {
				t.Errorf("got %v and %q, want %v and %q", got, warned, tt.want, tt.warn)
			}
			if got := r.Get(acl.LocalName, ""); got != tt.want {
				t.Errorf("the server's name: got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestWrappersNameWithoutAddress(t *testing.T) {
	find := lookup.Wrappers{System: system(t, nil, nil)}.Finders()
	r := &acl.Request{Unix: true}
	find.Attach(context.Background(), r, time.Second)
	if got := r.Get(acl.Name, ""); got != (acl.Answer{Status: acl.Found, Text: "localhost"}) {
		t.Errorf("AF_UNIX: got %v", got)
	}
	r = &acl.Request{}
	find.Attach(context.Background(), r, time.Second)
	if got := r.Get(acl.Name, ""); got != (acl.Answer{}) {
		t.Errorf("no address: got %v", got)
	}
}

// Files that are missing are a system without them, not a failure.
func TestWrappersWithoutFiles(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	w := lookup.Wrappers{System: lookup.System{ResolvConf: none, Hosts: none, Nsswitch: none, HostConf: none, Netgroup: none, Port: nobody(t).Port()}}
	r := &acl.Request{Remote: netip.MustParseAddrPort("192.0.2.7:1")}
	w.Finders().Attach(context.Background(), r, time.Second)
	if got := r.Get(acl.Name, ""); got != (acl.Answer{}) {
		t.Errorf("name: got %v", got)
	}
	if got := r.Get(acl.Netgroup, "trusted mx.example"); got.Status != acl.Absent {
		t.Errorf("netgroup: got %v", got)
	}
}

func TestWrappersNetgroup(t *testing.T) {
	w := lookup.Wrappers{System: system(t, map[string]string{"netgroup": "trusted (MX.example,,)\n"}, nil)}
	r := &acl.Request{}
	w.Finders().Attach(context.Background(), r, time.Second)
	for arg, want := range map[string]acl.Status{"trusted mx.example": acl.Found, "trusted other.example": acl.Absent, "other mx.example": acl.Absent} {
		if got := r.Get(acl.Netgroup, arg); got.Status != want {
			t.Errorf("%s: got %v, want %v", arg, got, want)
		}
	}
}
