package tcprules_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"doorward/acl"
	"doorward/acl/cdb"
	"doorward/acl/tcprules"
)

func parse(tb testing.TB, src string) *tcprules.Rules {
	tb.Helper()
	r, err := tcprules.Parse("tcp", src)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func compile(tb testing.TB, src string) *tcprules.Rules {
	tb.Helper()
	r, err := tcprules.FromCDB("tcp.cdb", parse(tb, src).CDB())
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// client is a request from addr; facts says what may be asked and what comes
// of it, and anything else fails the test.
func client(t *testing.T, addr string, facts map[acl.Kind]acl.Answer) *acl.Request {
	var q acl.Request
	if addr != "" {
		q.Remote = netip.AddrPortFrom(netip.MustParseAddr(addr), 1024)
	}
	q.Ask = func(f acl.Fact) acl.Answer {
		a, ok := facts[f.Kind]
		if !ok || f.Arg != "" {
			t.Errorf("asked for %v", f)
		}
		return a
	}
	return &q
}

func found(s string) acl.Answer { return acl.Answer{Status: acl.Found, Text: s} }

var (
	unknown = acl.Answer{}
	nothing map[acl.Kind]acl.Answer // nothing may be asked for
)

func named(name acl.Answer) map[acl.Kind]acl.Answer {
	return map[acl.Kind]acl.Answer{acl.Name: name}
}

func by(user, name acl.Answer) map[acl.Kind]acl.Answer {
	return map[acl.Kind]acl.Answer{acl.Ident: user, acl.Name: name}
}

func TestDecide(t *testing.T) {
	mx := found("mx.example.net")
	tests := []struct {
		why   string
		rules string
		addr  string
		facts map[acl.Kind]acl.Answer
		want  acl.Verdict
		rule  string
	}{
		{"the address", "192.0.2.7:deny\n:allow", "192.0.2.7", nothing, acl.Deny, "tcp:1"},
		{"another one", "192.0.2.7:deny\n:allow", "192.0.2.8", nothing, acl.Allow, "tcp:2"},
		{"no rule", "192.0.2.7:deny", "192.0.2.8", nothing, acl.Pass, "default"},
		{"no rules", "", "192.0.2.8", nothing, acl.Pass, "default"},
		{"lines count from 1, all of them", "# c\n\n192.0.2.:deny", "192.0.2.7", nothing, acl.Deny, "tcp:3"},
		{"the longer beginning", "192.:allow\n192.0.2.:deny", "192.0.2.7", nothing, acl.Deny, "tcp:2"},
		{"no beginning without a dot", "192.0:deny", "192.0.2.7", nothing, acl.Pass, "default"},
		{"the first of two", "192.0.2.7:deny\n192.0.2.7:allow", "192.0.2.7", nothing, acl.Deny, "tcp:1"},
		{"one of a range", "192.0.2.5-9:deny", "192.0.2.7", nothing, acl.Deny, "tcp:1"},
		{"IPv6", "2001:db8::deny", "2001:db8:1::7", nothing, acl.Deny, "tcp:1"},
		{"IPv6 as tcpserver spells it", "2001:db8::1:1:1:1:1:deny", "2001:db8:0:1:1:1:1:1", nothing, acl.Deny, "tcp:1"},
		{"not the zone", "fe80::1:deny", "fe80::1%eth0", nothing, acl.Deny, "tcp:1"},
		{"IPv4 is not mapped", "::ffff::deny", "192.0.2.7", nothing, acl.Pass, "default"},

		{"user before address", "192.0.2.7:allow\njoe@192.0.2.7:deny", "192.0.2.7", by(found("joe"), unknown), acl.Deny, "tcp:2"},
		{"another user", "192.0.2.7:allow\njoe@192.0.2.7:deny", "192.0.2.7", by(found("ann"), unknown), acl.Allow, "tcp:1"},
		{"a user who is not named", "@192.0.2.7:deny", "192.0.2.7", by(found(""), unknown), acl.Deny, "tcp:1"},
		{"no user", "@192.0.2.7:deny", "192.0.2.7", by(unknown, unknown), acl.Pass, "default"},
		{"no user at a beginning", "joe@192.0.2.:deny", "192.0.2.7", nothing, acl.Pass, "default"},
		{"user at name", "192.0.2.7:allow\njoe@=mx.example.net:deny", "192.0.2.7", by(found("joe"), mx), acl.Deny, "tcp:2"},

		{"address before name", "=mx.example.net:deny\n192.0.2.7:allow", "192.0.2.7", nothing, acl.Allow, "tcp:2"},
		{"name before beginning", "=mx.example.net:deny\n192.0.2.:allow", "192.0.2.7", named(mx), acl.Deny, "tcp:1"},
		{"beginning before end of name", "=.example.net:deny\n192.0.:allow", "192.0.2.7", named(mx), acl.Allow, "tcp:2"},
		{"longer end of name", "=.net:allow\n=.example.net:deny", "192.0.2.7", named(mx), acl.Deny, "tcp:2"},
		{"any name", "=:deny\n:allow", "192.0.2.7", named(mx), acl.Deny, "tcp:1"},
		{"no name", "=:deny\n:allow", "192.0.2.7", named(unknown), acl.Allow, "tcp:2"},
		{"a forged name is none", "=:allow\n:deny", "192.0.2.7", named(acl.Answer{Status: acl.Forged}), acl.Deny, "tcp:2"},
		{"case counts", "=MX.example.net:deny", "192.0.2.7", named(mx), acl.Pass, "default"},

		{"no address, no rule for it", "192.0.2.7:deny\n=mx.example.net:allow\n:deny", "", named(mx), acl.Allow, "tcp:2"},
		{"no address, the empty rule", "192.:allow\n:deny", "", nothing, acl.Deny, "tcp:2"},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			d := parse(t, tt.rules).Decide(client(t, tt.addr, tt.facts))
			if d.Verdict != tt.want || d.Rule.String() != tt.rule {
				t.Errorf("%v by %v, want %v by %v", d.Verdict, d.Rule, tt.want, tt.rule)
			}
			if d := compile(t, tt.rules).Decide(client(t, tt.addr, tt.facts)); d.Verdict != tt.want {
				t.Errorf("compiled: %v by %v, want %v", d.Verdict, d.Rule, tt.want)
			}
		})
	}
}

func TestPrefixesInBits(t *testing.T) {
	tests := []struct {
		why   string
		rules string
		addr  string
		want  string // key
	}{
		{"IPv4", "192.0.2.0/24:deny", "192.0.2.7", "192.0.2.0/24"},
		{"outside", "192.0.2.0/24:deny", "192.0.3.7", "none"},
		{"not on a byte", "192.0.2.0/30:deny\n:allow", "192.0.2.4", ""},
		{"host bits do not matter", "192.0.2.9/24:deny", "192.0.2.7", "192.0.2.9/24"},
		{"longer than the beginning", "192.0.2.:allow\n192.0.2.0/25:deny", "192.0.2.7", "192.0.2.0/25"},
		{"as long as the beginning", "192.0.2.0/24:deny\n192.0.2.:allow", "192.0.2.7", "192.0.2."},
		{"shorter than the beginning", "192.0.2.0/23:deny\n192.0.2.:allow", "192.0.2.7", "192.0.2."},
		{"between beginnings", "192.0.0.0/22:deny\n192.0.:allow\n192.:allow", "192.0.2.7", "192.0.0.0/22"},
		{"the longest of them", "192.0.0.0/8:allow\n192.0.2.0/30:deny\n192.0.2.0/28:allow", "192.0.2.1", "192.0.2.0/30"},
		{"the first of equals", "192.0.2.1/24:allow\n192.0.2.0/24:deny", "192.0.2.7", "192.0.2.1/24"},
		{"the address itself wins", "192.0.2.7/32:deny\n192.0.2.7:allow", "192.0.2.7", "192.0.2.7"},
		{"everything in IPv4", "0.0.0.0/0:deny\n:allow", "192.0.2.7", "0.0.0.0/0"},
		{"everything in IPv4 is not IPv6", "0.0.0.0/0:deny\n:allow", "2001:db8::7", ""},
		{"a range of prefixes", "192.0.2-3.0/24:deny", "192.0.3.7", "192.0.3.0/24"},

		{"IPv6", "[2001:db8::]/32:deny", "2001:db8::7", "[2001:db8::]/32"},
		{"IPv6 without brackets is a name for nobody", "2001:db8::/32:deny", "2001:db8::7", "none"},
		{"IPv4 in brackets neither", "[192.0.2.0]/24:deny", "192.0.2.7", "none"},
		{"a mapped prefix is IPv4", "[::ffff:192.0.2.0]/120:deny", "192.0.2.7", "[::ffff:192.0.2.0]/120"},
		{"IPv6, as long as the beginning", "[2001:db8::]/32:deny\n2001:db8::allow", "2001:db8::7", "2001:db8:"},
		{"IPv6, longer than the beginning", "[2001:db8::]/33:deny\n2001:db8::allow", "2001:db8::7", "[2001:db8::]/33"},
		{"IPv6, shorter than what :: spells out", "[2001:db8::]/64:deny\n2001:db8:::allow", "2001:db8::7", "2001:db8::"},

		{"too long", "192.0.2.0/33:deny", "192.0.2.7", "none"},
		{"no number", "192.0.2.0/24x:deny", "192.0.2.7", "none"},
		{"a user has no prefix", "joe@192.0.2.0/24:deny", "192.0.2.7", "none"},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			for _, r := range []*tcprules.Rules{parse(t, tt.rules), compile(t, tt.rules)} {
				key, _, ok := r.Lookup(tt.addr, new(acl.Request))
				if !ok {
					key = "none"
				}
				if key != tt.want {
					t.Errorf("rule %q, want %q", key, tt.want)
				}
				if key, _, _ := r.Literal().Lookup(tt.addr, new(acl.Request)); strings.Contains(key, "/") {
					t.Errorf("literally, rule %q", key)
				}
			}
		})
	}
}

// tcpserver -6 spells an IPv4 address as IPv6.
func TestForm6(t *testing.T) {
	tests := []struct{ rules, addr, want string }{
		{"192.0.2.7:deny\n::ffff:192.0.2.7:allow", "192.0.2.7", "tcp:2"},
		{"192.0.2.:deny\n::ffff:192.0.:allow", "192.0.2.7", "tcp:2"},
		{"::ffff::allow", "192.0.2.7", "tcp:1"},
		{"::allow", "192.0.2.7", "tcp:1"}, // the first half of the ::
		{"192.0.2.0/24:deny\n::ffff:192.0.2.:allow", "192.0.2.7", "tcp:2"},
		{"192.0.2.0/25:deny\n::ffff:192.0.2.:allow", "192.0.2.7", "tcp:1"},
		{"0.0.0.0/0:deny\n::ffff::allow", "192.0.2.7", "tcp:2"},
		{"0.0.0.0/0:deny\n:::allow", "192.0.2.7", "tcp:1"},
		{"2001:db8::7:deny", "2001:db8::7", "tcp:1"}, // IPv6 as ever
	}
	for _, tt := range tests {
		d := parse(t, tt.rules).Form6().Decide(client(t, tt.addr, nothing))
		if d.Rule.String() != tt.want {
			t.Errorf("%q for %s: by %v, want %v", tt.rules, tt.addr, d.Rule, tt.want)
		}
	}
}

func TestEnvironment(t *testing.T) {
	set := func(kv ...string) (env []acl.Setenv) {
		for i := 0; i < len(kv); i += 2 {
			env = append(env, acl.Setenv{Name: kv[i], Value: kv[i+1]})
		}
		return env
	}
	tests := []struct {
		instructions string
		want         []acl.Setenv
	}{
		{`allow`, nil},
		{`allow,A="x"`, set("A", "x")},
		{`allow,A=/x"/,B="",C=1a b1`, set("A", `x"`, "B", "", "C", "a b")}, // any byte may be the quote
		{`allow,A="x",B="y",A="z"`, set("A", "x", "B", "y", "A", "z")},     // the last one counts, but to others
		{`allow,A="x=y+z",=/n/`, set("A", "x=y+z", "", "n")},
		{`allow,A,B="x"`, set("A,B", "x")}, // a name is what comes before the =
		{`deny,A="x"`, nil},                // nothing is going to run
	}
	for _, tt := range tests {
		d := parse(t, ":"+tt.instructions).Decide(client(t, "192.0.2.7", nothing))
		if !slices.Equal(d.Env, tt.want) {
			t.Errorf("%s: %+v, want %+v", tt.instructions, d.Env, tt.want)
		}
	}
}

func TestACompiledRuleGoesByItsKey(t *testing.T) {
	r := compile(t, "192.0.2.:deny\n:allow")
	for addr, want := range map[string]string{"192.0.2.7": `tcp.cdb "192.0.2."`, "2001:db8::7": `tcp.cdb ""`} {
		if d := r.Decide(client(t, addr, nothing)); d.Rule.String() != want {
			t.Errorf("%s: by %v, want %v", addr, d.Rule, want)
		}
	}
}

// An address that has a rule of its own costs no query, nor does a client that
// no rule with a user is about.
func TestLazy(t *testing.T) {
	tests := []struct {
		why   string
		rules string
		addr  string
		facts map[acl.Kind]acl.Answer
	}{
		{"the address comes before names", "192.0.2.7:allow\n=.example.net:deny", "192.0.2.7", nothing},
		{"no rule for names", "192.0.2.8:allow\n:deny", "192.0.2.7", nothing},
		{"users elsewhere", "joe@192.0.2.8:allow\n:deny", "192.0.2.7", nothing},
		{"users of other names", "joe@=a.example.net:allow\n:deny", "192.0.2.7", named(found("b.example.net"))},
		{"users of names, and none has it", "joe@=a.example.net:allow\n:deny", "192.0.2.7", named(unknown)},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			parse(t, tt.rules).Decide(client(t, tt.addr, tt.facts))
		})
	}
}

// Every bad line is reported, and the others are understood.
func TestErrors(t *testing.T) {
	r, err := tcprules.Parse("tcp", strings.Join([]string{
		`192.0.2.7`,
		`192.0.2.7: allow`,
		` # no comment`,
		`192.0.2.7:allow,`,
		`192.0.2.7:allow,A`,
		`192.0.2.7:allow,A=`,
		`192.0.2.7:allow,A="x`,
		`192.0.2.7:allow,A="x"B`,
		`192.0.2.7:allowed`,
		"192.0.2.7:deny\r",
		`192.0.2.a-9:deny`,
		`192.0.2.1-b.:deny`,
		`192.0.2.9:deny   `,
		"\t",
	}, "\n"))
	const want = `tcp:1: "192.0.2.7": want an address, a colon and allow or deny
tcp:2: "192.0.2.7: allow": want an address, a colon and allow or deny
tcp:3: " # no comment": want an address, a colon and allow or deny
tcp:4: "192.0.2.7:allow,": after allow and deny want nothing but ,NAME="VALUE"
tcp:5: "192.0.2.7:allow,A": after allow and deny want nothing but ,NAME="VALUE"
tcp:6: "192.0.2.7:allow,A=": after allow and deny want nothing but ,NAME="VALUE"
tcp:7: "192.0.2.7:allow,A=\"x": after allow and deny want nothing but ,NAME="VALUE"
tcp:8: "192.0.2.7:allow,A=\"x\"B": after allow and deny want nothing but ,NAME="VALUE"
tcp:9: "192.0.2.7:allowed": after allow and deny want nothing but ,NAME="VALUE"
tcp:10: "192.0.2.7:deny\r": after allow and deny want nothing but ,NAME="VALUE"
tcp:11: "192.0.2.a-9:deny": want numbers on both sides of the hyphen
tcp:12: "192.0.2.1-b.:deny": want numbers on both sides of the hyphen
tcp:14: "": want an address, a colon and allow or deny`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	if d := r.Decide(client(t, "192.0.2.9", nothing)); d.Verdict != acl.Deny {
		t.Errorf("the good line: %v", d)
	}
}

func TestLoadTellsTextFromDatabase(t *testing.T) {
	text := "192.0.2.7:deny\n"
	data := string(parse(t, text).CDB())
	for _, tt := range []struct{ name, src, rule string }{
		{"tcp.smtp", text, "tcp.smtp:1"},
		{"tcp.smtp.cdb", data, `tcp.smtp.cdb "192.0.2.7"`},
		{"rules", data, `rules "192.0.2.7"`}, // told by its zero bytes
	} {
		r, err := tcprules.Load(tt.name, tt.src)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if d := r.Decide(client(t, "192.0.2.7", nothing)); d.Rule.String() != tt.rule {
			t.Errorf("%s: by %v, want %v", tt.name, d.Rule, tt.rule)
		}
	}
}

// A damaged database must not be one that lets everybody in.
func TestDamageIsAnError(t *testing.T) {
	data := string(parse(t, "192.0.2.7:deny\n192.0.2.8:deny\n").CDB())
	var foreign cdb.Maker
	foreign.Add([]byte("192.0.2.7"), []byte("joe@example.net"))
	for name, src := range map[string]string{
		"cut to nothing":   "",
		"cut in the head":  data[:100],
		"cut in the tail":  data[:len(data)-1],
		"a slot lost":      data[:len(data)-16] + strings.Repeat("\x00", 16),
		"not one of rules": string(foreign.Bytes()),
	} {
		if _, err := tcprules.Load("tcp.cdb", src); !errors.Is(err, cdb.ErrCorrupt) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
