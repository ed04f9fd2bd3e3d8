package hosts_test

import (
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"doorward/acl"
	"doorward/acl/hosts"
)

// A client that knows its name, and who it is.
var named = map[acl.Kind]acl.Answer{
	acl.Name:  {Status: acl.Found, Text: "mx.example.net"},
	acl.Ident: {Status: acl.Found, Text: "joe"},
}

func request(addr string, facts map[acl.Kind]acl.Answer) *acl.Request {
	r := &acl.Request{Daemon: "smtp", Local: netip.MustParseAddrPort("192.0.2.1:25"), Ask: func(f acl.Fact) acl.Answer { return facts[f.Kind] }}
	r.Remote = netip.AddrPortFrom(netip.MustParseAddr(addr), 1024)
	return r
}

func access(t testing.TB, allow, deny string) hosts.Access {
	t.Helper()
	al, err1 := hosts.Parse("allow", allow, nil)
	de, err2 := hosts.Parse("deny", deny, nil)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return hosts.Access{Allow: al, Deny: de}
}

func TestDecide(t *testing.T) {
	tests := []struct {
		allow, deny string
		addr        string
		facts       map[acl.Kind]acl.Answer
		want        acl.Verdict
		rule        string
	}{
		{"smtp: 192.0.2.0/24", "ALL: ALL", "192.0.2.7", nil, acl.Allow, "allow:1"},
		{"imap: ALL", "", "192.0.2.7", nil, acl.Pass, "default"},          // another daemon's rule
		{"smtp: KNOWN", "ALL: ALL", "192.0.2.7", nil, acl.Deny, "deny:1"}, // no name: not KNOWN
		{"# c\n\nsmtp: .example.net", "ALL: ALL", "192.0.2.7", named, acl.Allow, "allow:3"},
		{"smtp: joe@.example.net", "ALL: ALL", "192.0.2.7", named, acl.Allow, "allow:1"},
		{"smtp: ann@.example.net", "ALL: ALL", "192.0.2.7", named, acl.Deny, "deny:1"},
		{"smtp: ALL EXCEPT .example.net EXCEPT mx.example.net", "ALL: ALL", "192.0.2.7", named, acl.Allow, "allow:1"},
		{"smtp: 192.0.2.7/24", "ALL: ALL", "192.0.2.7", nil, acl.Deny, "deny:1"}, // host bits: never matches
		{"smtp: [2001:db8::]/32", "ALL: ALL", "2001:db8::7", nil, acl.Allow, "allow:1"},
		{"25@192.0.2.1: ALL", "ALL: ALL", "192.0.2.7", nil, acl.Allow, "allow:1"},
		{"smtp: ALL: deny", "", "192.0.2.7", nil, acl.Deny, "allow:1"},
		{"", "smtp: ALL: allow", "192.0.2.7", nil, acl.Allow, "deny:1"},
		{"smtp: 192.0.2.\\\n7", "ALL: ALL", "192.0.2.7", nil, acl.Allow, "allow:2"}, // the last line of the rule
	}
	for _, tt := range tests {
		t.Run(tt.allow+" "+tt.addr, func(t *testing.T) {
			d := access(t, tt.allow+"\n", tt.deny+"\n").Decide(request(tt.addr, tt.facts))
			if d.Verdict != tt.want || d.Rule.String() != tt.rule {
				t.Errorf("got %v by %v, want %v by %v", d.Verdict, d.Rule, tt.want, tt.rule)
			}
		})
	}
}

// Facts are asked for when a pattern needs them, as libwrap asks, and not before.
func TestLazy(t *testing.T) {
	tests := []struct {
		clients string
		asks    []acl.Kind
	}{
		{"192.0.2.0/24, .example.net", nil}, // an address rule costs no DNS query
		{".example.net, 192.0.2.0/24", []acl.Kind{acl.Name}},
		{"198.51.100.1, 198.51.100., 198.51.100.0/24, 10.*", nil},
		{"[2001:db8::1]", []acl.Kind{acl.Name}},  // might be a name, for all libwrap knows
		{"joe@198.51.100.1", nil},                // wrong host: who cares about the user
		{"ALL@192.0.2.7", []acl.Kind{acl.Ident}}, // even if anybody will do
		{"LOCAL, KNOWN", []acl.Kind{acl.Name}},   // once
		{"@trusted", []acl.Kind{acl.Name, acl.Netgroup}},
		{"ALL EXCEPT joe@mx.example.net", []acl.Kind{acl.Name, acl.Ident}},
		{"ALL : rfc931", []acl.Kind{acl.Ident}},
		{"ALL : setenv HOST %h : setenv CLIENT %c", nil},
		{"ALL : setenv HOST %n", []acl.Kind{acl.Name}},
	}
	for _, tt := range tests {
		t.Run(tt.clients, func(t *testing.T) {
			var asked []acl.Kind
			a := access(t, "smtp: "+tt.clients+"\n", "")
			for range 3 { // with the index and without it
				r := request("192.0.2.7", named)
				ask := r.Ask
				asked = nil
				r.Ask = func(f acl.Fact) acl.Answer { asked = append(asked, f.Kind); return ask(f) }
				a.Decide(r)
				if !slices.Equal(asked, tt.asks) {
					t.Errorf("asked for %v, want %v", asked, tt.asks)
				}
			}
		})
	}
}

// Options are data, in the order of the rule; what the rule has set before a
// command is counted.
func TestOptions(t *testing.T) {
	a := access(t, `smtp: ALL: setenv A  b  c : spawn echo %d\:%a : setenv = RELAYCLIENT : NICE 5 : severity mail.info`+"\n", "")
	d := a.Decide(request("192.0.2.7", nil))
	want := acl.Decision{
		Verdict: acl.Allow, Rule: acl.Pos{File: "allow", Line: 1},
		Env:     []acl.Setenv{{Name: "A", Value: "b  c"}, {Name: "RELAYCLIENT"}},
		Options: []acl.Option{{Key: "spawn", Value: "echo smtp:192.0.2.7", Env: 1}, {Key: "nice", Value: "5", Env: 2}, {Key: "severity", Value: "mail.info", Env: 2}},
	}
	if !reflect.DeepEqual(d, want) {
		t.Errorf("got  %+v\nwant %+v", d, want)
	}
}

// What was in order before an option that is wrong is done; then the client is
// denied, whichever table it is, and the reason is noted with its place.
func TestWrongOptionDenies(t *testing.T) {
	al, err := hosts.Parse("allow", "smtp: ALL: setenv A 1: spawn true: alow: setenv B 2\n", nil)
	if err == nil || !strings.HasPrefix(err.Error(), `allow:1: "alow": bad option name`) {
		t.Errorf("error %v", err)
	}
	d := hosts.Access{Allow: al}.Decide(request("192.0.2.7", nil))
	note := acl.Note{Pos: acl.Pos{File: "allow", Line: 1}, Err: true, Text: `bad option name: "alow"`}
	if d.Verdict != acl.Deny || len(d.Env) != 1 || len(d.Options) != 1 || !slices.Equal(d.Notes, []acl.Note{note}) {
		t.Errorf("got %+v", d)
	}
}

// A command that no rule can rein in, because a client's name is too long for
// it, denies.
func TestExpansionTooLongDenies(t *testing.T) {
	a := access(t, "smtp: .example.net: spawn echo "+strings.Repeat("%n", 700)+"\n", "")
	d := a.Decide(request("192.0.2.7", named))
	if d.Verdict != acl.Deny || len(d.Options) != 0 || len(d.Notes) != 1 {
		t.Errorf("got %+v", d)
	}
}

func TestExplain(t *testing.T) {
	a := access(t, "imap: ALL\nsmtp: 198.51.100.0/24, .example.org\nsmtp: ALL EXCEPT .example.net\n", "ALL: joe@ALL: severity mail.info\n")
	trace := a.Explain(request("192.0.2.7", named))
	want := []hosts.Step{
		{Rule: acl.Pos{File: "allow", Line: 1}, Text: "imap: ALL", Why: "daemon is not in the list"},
		{Rule: acl.Pos{File: "allow", Line: 2}, Text: "smtp: 198.51.100.0/24, .example.org", Why: "client is not in the list", Asked: []acl.Fact{{Kind: acl.Name}}},
		{Rule: acl.Pos{File: "allow", Line: 3}, Text: "smtp: ALL EXCEPT .example.net", Why: "client is in ALL, except .example.net"},
		{Rule: acl.Pos{File: "deny", Line: 1}, Text: "ALL: joe@ALL: severity mail.info", Matched: true, Why: "daemon is in ALL; client is in joe@ALL", Asked: []acl.Fact{{Kind: acl.Ident}}},
	}
	if !reflect.DeepEqual(trace.Steps, want) {
		t.Errorf("got  %+v\nwant %+v", trace.Steps, want)
	}
	if !slices.Equal(trace.Options, []hosts.Processed{{Key: "severity", Value: "mail.info"}}) || trace.Decision.Verdict != acl.Deny {
		t.Errorf("got %+v, %+v", trace.Options, trace.Decision)
	}
}

func TestWarnings(t *testing.T) {
	tests := []struct{ table, code string }{
		{"smtp: 192.0.2.0/24, .example.net, [2001:db8::]/32, [2001:db8::1], joe@mx.example.net\n", ""},
		{"smtp: ALL", "NONL"},
		{"smtp: " + strings.Repeat("192.0.2.1 ", 300) + "\n", "LONGLINE"},
		{"# a\\\nsmtp: ALL\n", "COMMENT-CONT"},
		{" # smtp: ALL\n", "INDENTED-COMMENT"},
		{"smtp: ALL # all\n", "INLINE-COMMENT"},
		{"smtp: 192.0.2.1/24\n", "HOST-BITS"},
		{"smtp: [2001:db8::1]/32\n", "HOST-BITS"},
		{"smtp: 192.0.2.1/0\n", "V4-LEN0"},
		{"smtp: 192.0.2.1/255.255.255.255\n", "MASK-ONES"},
		{"smtp: 012.0.0.0/8\n", "OCTAL-HEX"},
		{"smtp: 192.0.2.0/33\n", "MASK"},
		{"smtp: 192.0.2.0/24x\n", "MASK"},
		{"smtp: [2001:db8::]/129\n", "MASK"},
		{"smtp: 192.0.2.*\n", "WILD-NUMERIC"},
		{"smtp: mx.\n", "NAME-PREFIX"},
		{"smtp: .2.1\n", "SUFFIX-NUMERIC"},
		{"smtp: mx**\n", "DOUBLE-STAR"},
		{"smtp: [::ffff:192.0.2.1]\n", "MAPPED-BRACKET"},
		{"smtp: [192.0.2.1]\n", "BRACKET"},
		{"smtp: 192.0.2.01\n", "NUMBER"},
		{"smtp: FAIL\n", "RESERVED"},
		{"UNKNOWN: ALL\n", "RESERVED"},
		{"local: ALL\n", "RESERVED"},
		{"KNOWN: ALL\n", "RESERVED"},
		{"@smtp: ALL\n", "DAEMON"},
		{".smtp: ALL\n", "DAEMON"},
		{"smtp: .joe@ALL\n", "USER"},
		{"smtp: ALL EXCEPT\n", "EMPTY"},
		{": ALL\n", "EMPTY"},
		{"smtp: ALL: spawn echo %x\n", "ESCAPE"},
		{"smtp: ALL: setenv RELAYCLIENT\n", ""},
		{"smtp: ALL: setenv RELAYCLIENT @fixme\n", ""},
		{"smtp: ALL: setenv RELAYCLIENT no\n", "RELAYCLIENT"},
		{"smtp: ALL: setenv = RELAYCLIENT 0\n", "RELAYCLIENT"},
		{"smtp: /missing\n", "FILE"},
		{"smtp: /comment\n", "FILE-COMMENT"},
		{"smtp: /except\n", "FILE-EXCEPT"},
		{"smtp: /comma\n", "FILE-COMMA"},
	}
	read := func(name string) (string, error) {
		text, ok := map[string]string{"/comment": "10.0.0.1 # mine\n", "/except": "ALL EXCEPT mx", "/comma": "10.0.0.1, 10.0.0.2\n"}[name]
		if !ok {
			return "", hosts.ErrNoFile
		}
		return text, nil
	}
	for _, tt := range tests {
		t.Run(tt.code+" "+tt.table[:min(len(tt.table), 30)], func(t *testing.T) {
			table, err := hosts.Parse("t", tt.table, read)
			if err != nil {
				t.Errorf("error %v: this is worth a warning only", err)
			}
			codes := make(map[string]bool)
			for _, w := range table.Warnings() {
				codes[w.Code] = true
				if w.Pos.Line == 0 {
					t.Errorf("%v: no line", w)
				}
			}
			if tt.code == "" && len(codes) > 0 || tt.code != "" && !codes[tt.code] {
				t.Errorf("got %v, want %v", codes, tt.code)
			}
		})
	}
}
