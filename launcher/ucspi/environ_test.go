package ucspi_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"doorward/acl"
	"doorward/launcher/ucspi"
)

func request(remote, local string) *acl.Request {
	return &acl.Request{Remote: netip.MustParseAddrPort(remote), Local: netip.MustParseAddrPort(local)}
}

func v4() *acl.Request { return request("192.0.2.7:40001", "10.9.9.9:25") }
func v6() *acl.Request { return request("[2001:db8:0:1:1:1:1:1]:40001", "[2001:db8::25]:25") }

func found(text string) acl.Answer { return acl.Answer{Status: acl.Found, Text: text} }

// knowing is r after names and user were asked for.
func knowing(r *acl.Request, local, remote, user acl.Answer) *acl.Request {
	r.Learn(acl.LocalName, "", local)
	r.Learn(acl.Name, "", remote)
	r.Learn(acl.Ident, "", user)
	return r
}

func TestEnviron(t *testing.T) {
	all := func(r *acl.Request) *acl.Request {
		return knowing(r, found("mail.server.example"), found("mx.example.com"), found("joe"))
	}
	tests := []struct {
		what  string
		style ucspi.Style
		base  string
		r     *acl.Request
		set   []acl.Setenv
		want  string
	}{
		{"tcp-env", ucspi.TCPEnv, "PATH=/bin", all(v4()), nil,
			"PATH=/bin PROTO=TCP TCPLOCALIP=10.9.9.9 TCPLOCALPORT=25 TCPREMOTEIP=192.0.2.7 TCPREMOTEPORT=40001 " +
				"TCPLOCALHOST=mail.server.example TCPREMOTEHOST=mx.example.com TCPREMOTEINFO=joe"},
		{"tcpserver sets twins", ucspi.TCPServer, "", all(v4()), nil,
			"PROTO=TCP TCPLOCALIP=10.9.9.9 TCP6LOCALIP=::ffff:10.9.9.9 TCPLOCALPORT=25 TCP6LOCALPORT=25 " +
				"TCPREMOTEIP=192.0.2.7 TCP6REMOTEIP=::ffff:192.0.2.7 TCPREMOTEPORT=40001 TCP6REMOTEPORT=40001 " +
				"TCPLOCALHOST=mail.server.example TCP6LOCALHOST=mail.server.example " +
				"TCPREMOTEHOST=mx.example.com TCP6REMOTEHOST=mx.example.com TCPREMOTEINFO=joe TCP6REMOTEINFO=joe"},
		{"tcpserver -6 knows no IPv4", ucspi.TCPServer6, "", v4(), nil,
			"PROTO=TCP6 TCPLOCALIP=::ffff:10.9.9.9 TCP6LOCALIP=::ffff:10.9.9.9 TCPLOCALPORT=25 TCP6LOCALPORT=25 " +
				"TCPREMOTEIP=::ffff:192.0.2.7 TCP6REMOTEIP=::ffff:192.0.2.7 TCPREMOTEPORT=40001 TCP6REMOTEPORT=40001"},
		{"IPv6 in tcpserver's form", ucspi.TCPServer, "", v6(), nil,
			"PROTO=TCP6 TCPLOCALIP=2001:db8::25 TCP6LOCALIP=2001:db8::25 TCPLOCALPORT=25 TCP6LOCALPORT=25 " +
				"TCPREMOTEIP=2001:db8::1:1:1:1:1 TCP6REMOTEIP=2001:db8::1:1:1:1:1 TCPREMOTEPORT=40001 TCP6REMOTEPORT=40001"},
		{"tcp-env on IPv6 is tcpserver", ucspi.TCPEnv, "", v6(), nil,
			"PROTO=TCP6 TCPLOCALIP=2001:db8::25 TCP6LOCALIP=2001:db8::25 TCPLOCALPORT=25 TCP6LOCALPORT=25 " +
				"TCPREMOTEIP=2001:db8::1:1:1:1:1 TCP6REMOTEIP=2001:db8::1:1:1:1:1 TCPREMOTEPORT=40001 TCP6REMOTEPORT=40001"},
		{"IPv6 in the form of RFC 5952", ucspi.Doorward, "", v6(), nil,
			"PROTO=TCP6 TCPLOCALIP=2001:db8::25 TCP6LOCALIP=2001:db8::25 TCPLOCALPORT=25 TCP6LOCALPORT=25 " +
				"TCPREMOTEIP=2001:db8:0:1:1:1:1:1 TCP6REMOTEIP=2001:db8:0:1:1:1:1:1 TCPREMOTEPORT=40001 TCP6REMOTEPORT=40001"},
		{"a zone is an interface", ucspi.TCPServer, "", request("[fe80::7%eth0]:1", "[fe80::25%eth0]:25"), nil,
			"PROTO=TCP6 TCPLOCALIP=fe80::25 TCP6LOCALIP=fe80::25 TCPLOCALPORT=25 TCP6LOCALPORT=25 " +
				"TCPREMOTEIP=fe80::7 TCP6REMOTEIP=fe80::7 TCPREMOTEPORT=1 TCP6REMOTEPORT=1 TCP6INTERFACE=eth0"},
		{"a client without address", ucspi.TCPEnv, "", &acl.Request{Unix: true}, nil,
			"PROTO=TCP TCPLOCALIP=0.0.0.0 TCPLOCALPORT=0 TCPREMOTEIP=0.0.0.0 TCPREMOTEPORT=0"},
		{"a client without address is unset", ucspi.Doorward, "", &acl.Request{Unix: true}, nil, ""},
		{"nothing but what the rules say", ucspi.Silent, "PATH=/bin PROTO=TCP", all(v4()), []acl.Setenv{{Name: "RELAYCLIENT"}}, "PATH=/bin RELAYCLIENT="},
		{"a temporary failure is told", ucspi.TCPEnv, "", knowing(request("192.0.2.7:1", "10.9.9.9:25"),
			acl.Answer{Status: acl.Failed}, acl.Answer{Status: acl.Failed}, acl.Answer{Status: acl.Failed}), nil,
			"PROTO=TCP TCPLOCALIP=10.9.9.9 TCPLOCALPORT=25 TCPREMOTEIP=192.0.2.7 TCPREMOTEPORT=1 " +
				"TCPLOCALHOST=softdnserror TCPREMOTEHOST=softdnserror"},
		{"rules override, the last one counts", ucspi.TCPEnv, "FOO=0 PATH=/bin HOME=/", v4(),
			[]acl.Setenv{{Name: "FOO", Value: "1"}, {Name: "TCPREMOTEIP", Value: "x"}, {Name: "HOME", Unset: true}, {Name: "FOO", Value: "2"}},
			"PATH=/bin PROTO=TCP TCPLOCALIP=10.9.9.9 TCPLOCALPORT=25 TCPREMOTEPORT=40001 TCPREMOTEIP=x FOO=2"},
		{"what is unset last stays unset", ucspi.TCPEnv, "", v4(),
			[]acl.Setenv{{Name: "FOO", Value: "1"}, {Name: "FOO", Unset: true}, {Name: "PROTO", Unset: true}},
			"TCPLOCALIP=10.9.9.9 TCPLOCALPORT=25 TCPREMOTEIP=192.0.2.7 TCPREMOTEPORT=40001"},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			env, err := tt.style.Environ(strings.Fields(tt.base), tt.r, tt.set)
			if got := strings.Join(env, " "); err != nil || got != tt.want {
				t.Errorf("error %v,\ngot  %s\nwant %s", err, got, tt.want)
			}
		})
	}
}

func TestEnvironInheritsNoOtherConnection(t *testing.T) {
	base := []string{"PROTO=TCP", "TCPREMOTEHOST=forged", "TCPREMOTEINFO=forged", "TCPLOCALHOST=forged", "TCPREMOTEIP=1",
		"TCP6REMOTEHOST=forged", "TCP6REMOTEINFO=forged", "TCP6INTERFACE=lo", "TCP6REMOTEIP=1", "RELAYCLIENT=", "TCPREMOTE=kept", "FOO"}
	for _, s := range []ucspi.Style{ucspi.Doorward, ucspi.TCPEnv, ucspi.TCPServer, ucspi.TCPServer6, ucspi.Silent} {
		env, err := s.Environ(base, v4(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, kv := range env {
			if strings.Contains(kv, "forged") || strings.HasSuffix(kv, "IP=1") || kv == "TCP6INTERFACE=lo" {
				t.Errorf("style %d: inherited %s", s, kv)
			}
		}
		if !slices.Contains(env, "TCPREMOTE=kept") || !slices.Contains(env, "FOO") {
			t.Errorf("style %d: lost a variable that is none of ours: %q", s, env)
		}
		own := s == ucspi.Doorward || s == ucspi.Silent
		if slices.Contains(env, "RELAYCLIENT=") == own {
			t.Errorf("style %d: RELAYCLIENT inherited: %v", s, own)
		}
	}
}

func TestEnvironSetsRelayClientFromARule(t *testing.T) {
	env, _ := ucspi.Doorward.Environ([]string{"RELAYCLIENT=old"}, v4(), []acl.Setenv{{Name: "RELAYCLIENT"}})
	if env[len(env)-1] != "RELAYCLIENT=" {
		t.Errorf("got %q", env)
	}
}

// Only what is wanted costs a question, and only if it is not known.
func TestEnvironAsksForWhatIsWanted(t *testing.T) {
	r := v4()
	r.Learn(acl.Ident, "", found("joe"))
	r.Ask = func(f acl.Fact) acl.Answer {
		if f != (acl.Fact{Kind: acl.Name}) {
			t.Errorf("asked for %v", f)
		}
		return found("mx.example.com")
	}
	env, err := ucspi.Doorward.Environ(nil, r, nil, acl.Name, acl.Ident)
	if err != nil || !slices.Contains(env, "TCPREMOTEHOST=mx.example.com") || !slices.Contains(env, "TCPREMOTEINFO=joe") {
		t.Errorf("got %q, %v", env, err)
	}
}

func TestEnvironRefusesWhatNoEnvironmentHolds(t *testing.T) {
	for _, e := range []acl.Setenv{{Name: "A", Value: "b\x00c"}, {Name: "A\x00"}, {Name: "A=B"}, {Name: ""}} {
		if env, err := ucspi.TCPServer.Environ(nil, v4(), []acl.Setenv{e}); err == nil {
			t.Errorf("%+v: got %q", e, env)
		}
	}
	env, err := ucspi.TCPServer.Environ(nil, knowing(v4(), found("a\x00b"), found("a\x00b"), found("a\x00b")), nil)
	if err != nil || strings.ContainsRune(strings.Join(env, ""), 0) {
		t.Errorf("a name with a NUL byte: %q, %v", env, err)
	}
}

func TestDoorwardSetsOnlySafeNames(t *testing.T) {
	for _, evil := range []string{"a\nX-Evil: b", "() { :;};", "a b", "", "-x", strings.Repeat("a", 254), "\x1b[2J"} {
		env, err := ucspi.Doorward.Environ(nil, knowing(v4(), found(evil), found(evil), found(evil)), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, kv := range env {
			if strings.Contains(kv, "HOST=") || strings.Contains(kv, "INFO=") {
				t.Errorf("%q became %q", evil, kv)
			}
		}
	}
}

// A rule set of any length comes out whole: the buffers only make it cheap.
func TestEnvironHoldsAnyNumberOfSettings(t *testing.T) {
	var set []acl.Setenv
	for i := range 200 {
		set = append(set, acl.Setenv{Name: fmt.Sprint("V", i), Value: strings.Repeat("x", i)})
	}
	env, err := ucspi.TCPEnv.Environ([]string{"PATH=/bin"}, v4(), set)
	if err != nil || len(env) != 1+5+200 {
		t.Fatalf("%d variables, %v", len(env), err)
	}
	for i, kv := range env[6:] {
		if want := set[i].Name + "=" + set[i].Value; kv != want {
			t.Errorf("got %q, want %q", kv, want)
		}
	}
}

// What one program sets the next one reads.
func TestRequestReadsWhatEnvironWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		addr := func(label string) netip.Addr {
			if rapid.Bool().Draw(t, label+" is IPv6") {
				return netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, label))).Unmap()
			}
			return netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, label)))
		}
		port := rapid.Uint16Min(1)
		r := &acl.Request{
			Daemon: "smtp",
			Remote: netip.AddrPortFrom(addr("remote"), port.Draw(t, "remote port")),
			Local:  netip.AddrPortFrom(addr("local"), port.Draw(t, "local port")),
		}
		if rapid.Bool().Draw(t, "named") {
			r.Learn(acl.Name, "", found("mx.example.com"))
		}
		style := rapid.SampledFrom([]ucspi.Style{ucspi.Doorward, ucspi.TCPEnv, ucspi.TCPServer, ucspi.TCPServer6}).Draw(t, "style")
		env, err := style.Environ([]string{"TCPREMOTEHOST=forged"}, r, nil)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ucspi.Request(lookup(env), "smtp")
		if err != nil || back.Remote != r.Remote || back.Local != r.Local || back.Daemon != "smtp" {
			t.Fatalf("%q: read back %v %v, %v", env, back.Remote, back.Local, err)
		}
		want, _ := r.Known(acl.Name, "")
		if got := back.Get(acl.Name, ""); got != want {
			t.Fatalf("%q: name read back as %v, want %v", env, got, want)
		}
	})
}

func BenchmarkEnviron(b *testing.B) {
	base := []string{"PATH=/usr/bin:/bin", "LANG=C", "TCPREMOTEIP=1", "HOME=/"}
	r := knowing(v4(), found("mail.server.example"), found("mx.example.com"), acl.Answer{})
	set := []acl.Setenv{{Name: "RELAYCLIENT"}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ucspi.Doorward.Environ(base, r, set, acl.Name); err != nil {
			b.Fatal(err)
		}
	}
}

func TestEnvironAllocatesLittle(t *testing.T) {
	r, set := knowing(v6(), found("mail.server.example"), found("mx.example.com"), found("joe")), []acl.Setenv{{Name: "RELAYCLIENT"}}
	n := 1000.0
	for range 50 { // under the race detector, a pool loses one in four
		n = min(n, testing.AllocsPerRun(1, func() { ucspi.Doorward.Environ([]string{"PATH=/bin"}, r, set, acl.Name) }))
	}
	if n > 2 {
		t.Errorf("%v allocations for a connection, want at most 2", n)
	}
}
