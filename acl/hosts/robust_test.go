package hosts

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"doorward/acl"
)

func clientAt(addr string) *acl.Request {
	return &acl.Request{Daemon: "smtp", Remote: netip.AddrPortFrom(netip.MustParseAddr(addr), 1024)}
}

// Whatever a table is full of, Parse returns soon, says what is wrong and lets
// nobody in whom libwrap would not have let in.
func TestBadTables(t *testing.T) {
	denyAll, _ := Parse("hosts.deny", "ALL: ALL\n", nil)
	tests := []struct {
		name, src, says string
		want            acl.Verdict
	}{
		{"a line of 1 MB", "smtp: " + strings.Repeat("192.0.2.1 ", 100_000) + "\n", "64 KiB", acl.Deny},
		{"a continued line of 1 MB", "smtp: ALL \\\n" + strings.Repeat("192.0.2.1 \\\n", 90_000) + "\n", "64 KiB", acl.Deny},
		{"rules before it work", "smtp: 192.0.2.7\nsmtp: " + strings.Repeat("x", 1<<20) + "\n", "64 KiB", acl.Allow},
		{"rules after it do not", strings.Repeat("x", 1<<20) + "\nsmtp: 192.0.2.7\n", "64 KiB", acl.Deny},
		{"10,000 EXCEPTs", "smtp: ALL" + strings.Repeat(" EXCEPT ALL", 5000) + "\n", "", acl.Allow},
		{"10,001 EXCEPTs", "smtp: ALL" + strings.Repeat(" EXCEPT ALL", 5001) + "\n", "", acl.Deny},
		{"a million words", strings.Repeat("smtp: "+strings.Repeat("a ", 30_000)+"\n", 40) + "smtp: ALL\n", "a million words", acl.Deny},
		{"a NUL byte", "smtp: 192.0.2.7\x00, 192.0.2.8\nsmtp: ALL\n", "NUL byte", acl.Deny}, // becomes 192.0.2.7smtp, options ALL
		{"no colon", "smtp 192.0.2.7\n", "missing \":\" separator", acl.Deny},
		{"a length that is no number", "smtp: [::]/all\n", "not a number", acl.Deny},
		{"an IPv6 address without brackets", "smtp: 2001:db8::1\n", "brackets", acl.Deny},
		{"brackets that do not pair", "smtp: [192.0.2.7 : deny\n", "unbalanced", acl.Deny},
		{"an option that is none", "smtp: 192.0.2.7: alow\n", `bad option name: "alow"`, acl.Deny},
		{"a colon at the end", "smtp: 192.0.2.7:\n", "missing option name", acl.Deny},
		{"setenv with an equals sign", "smtp: 192.0.2.7: setenv A=b\n", "memory allocation failure", acl.Deny},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			allow, err := Parse("hosts.allow", tt.src, nil)
			if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want %q", err, tt.says)
			}
			if err != nil && !strings.HasPrefix(err.Error(), "hosts.allow:") {
				t.Errorf("error %v does not say where", err)
			}
			if d := (Access{allow, denyAll}).Decide(clientAt("192.0.2.7")); d.Verdict != tt.want {
				t.Errorf("got %v by %v, want %v", d.Verdict, d.Rule, tt.want)
			}
		})
	}
}

// A table too large to be one is not looked at: as hosts.deny it keeps everybody
// out, as hosts.allow it lets nobody in.
func TestHugeTable(t *testing.T) {
	huge := strings.Repeat("garbage \x01\xff 0123456789\n", 100<<20/20)
	table, err := Parse("hosts.deny", huge, nil)
	if err == nil || !strings.Contains(err.Error(), "64 MiB") {
		t.Errorf("error %v", err)
	}
	if d := (Access{Deny: table}).Decide(clientAt("192.0.2.7")); d.Verdict != acl.Deny || d.Rule != (acl.Pos{File: "hosts.deny"}) {
		t.Errorf("as hosts.deny: %+v", d)
	}
	if d := (Access{Allow: table}).Decide(clientAt("192.0.2.7")); d.Verdict != acl.Pass || len(d.Notes) != 1 {
		t.Errorf("as hosts.allow: %+v", d)
	}
}

// However many lines are wrong, the error stays readable.
func TestErrorsAreBounded(t *testing.T) {
	_, err := Parse("hosts.allow", strings.Repeat("garbage\n", 100_000), nil)
	if n := strings.Count(err.Error(), "\n") + 1; n != maxErrors+1 {
		t.Errorf("%d errors, want %d", n, maxErrors+1)
	}
}

// A table that cannot be opened is not an empty one.
func TestUnreadable(t *testing.T) {
	table := Unreadable("hosts.deny", errors.New("permission denied"))
	d := Access{Deny: table}.Decide(clientAt("192.0.2.7"))
	if d.Verdict != acl.Deny || len(d.Notes) != 1 || d.Notes[0].Text != "cannot open hosts.deny: permission denied" {
		t.Errorf("got %+v", d)
	}
	if d := (Access{Allow: table}).Decide(clientAt("192.0.2.7")); d.Verdict != acl.Pass {
		t.Errorf("as hosts.allow: %+v", d)
	}
}

// Pattern files may name each other; each counts once.
func TestPatternFiles(t *testing.T) {
	files := map[string]string{
		"/self":  "198.51.100.1 /self 192.0.2.7\n",
		"/a":     "/b 192.0.2.7",
		"/b":     "/a /a /a",
		"/deep0": "192.0.2.7",
		"/long":  strings.Repeat("x", maxWord+1) + " 192.0.2.7",
	}
	for i := range maxDepth + 1 {
		files["/deep"+strings.Repeat("x", i+1)] = "/deep" + strings.Repeat("x", i+2)
	}
	for i := range 40 { // a tree of 2^40 leaves
		files["/double"+strings.Repeat("l", i)] = strings.Repeat("/double"+strings.Repeat("l", i+1)+" ", 2)
	}
	files["/double"+strings.Repeat("l", 40)] = "192.0.2.7"
	read := func(name string) (string, error) {
		if text, ok := files[name]; ok {
			return text, nil
		}
		if name == "/secret" {
			return "", errors.New("permission denied")
		}
		return "", ErrNoFile
	}
	tests := []struct {
		file, says string
		want       acl.Verdict
	}{
		{"/self", "includes itself", acl.Deny}, // denied: the rest of it counts
		{"/a", "includes itself", acl.Deny},
		{"/double", "", acl.Deny},
		{"/deepx", "nested too deep", acl.Deny}, // nobody knows who is in it
		{"/long", "longer than 8190 bytes", acl.Deny},
		{"/missing", "", acl.Pass},
		{"/secret", "permission denied", acl.Pass},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			table, err := Parse("hosts.deny", "ALL: "+tt.file+"\n", read)
			if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want %q", err, tt.says)
			}
			if d := (Access{Deny: table}).Decide(clientAt("192.0.2.7")); d.Verdict != tt.want {
				t.Errorf("got %v, want %v", d.Verdict, tt.want)
			}
			if table.Files()[0] != tt.file {
				t.Errorf("files %v", table.Files())
			}
		})
	}
}

// Who is in a file that is too much for us is not known: to be an exception is
// not lost with it.
func TestExceptionInHugeFile(t *testing.T) {
	for name, file := range map[string]string{
		"words": strings.Repeat("a ", maxWords) + "192.0.2.7",
		"bytes": strings.Repeat(" ", maxTable) + "192.0.2.7",
	} {
		read := func(string) (string, error) { return file, nil }
		allow, err := Parse("hosts.allow", "ALL: ALL EXCEPT /list\n", read)
		deny, _ := Parse("hosts.deny", "ALL: ALL\n", nil)
		if d := (Access{allow, deny}).Decide(clientAt("192.0.2.7")); d.Verdict != acl.Deny || err == nil {
			t.Errorf("%s: got %v by %v, error %v", name, d.Verdict, d.Rule, err)
		}
	}
}

// A million stars cost no more than the product of the lengths.
func TestHostileNames(t *testing.T) {
	pattern := new(compiler).newWord(strings.Repeat("*a", 30)+"*b", other|wild)
	if pattern.match(strings.Repeat("a", 127)) {
		t.Error("matched")
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range conformanceCases(f)[:400] {
		if c.Allow != nil {
			f.Add(*c.Allow, c.Files["/srv/cf/list"])
		}
	}
	f.Fuzz(func(t *testing.T, src, file string) {
		table, err := Parse("t", src, func(string) (string, error) { return file, nil })
		if table == nil || table.Len() > strings.Count(src, "\n")+1 {
			t.Fatalf("%d rules", table.Len())
		}
		n := 0
		for rule := range table.All {
			if n++; !strings.Contains(rule.Text, ":") || rule.Pos.Line < n {
				t.Errorf("rule %+v", rule)
			}
		}
		if n != table.Len() {
			t.Errorf("%d rules, All has %d", table.Len(), n)
		}
		var bad *acl.SyntaxError
		if err != nil && !errors.As(err, &bad) {
			t.Errorf("error %v is about no line", err)
		}
		if _, again := Parse("t", src, func(string) (string, error) { return file, nil }); (err == nil) != (again == nil) {
			t.Errorf("%v, then %v", err, again)
		}
	})
}

func FuzzDecide(f *testing.F) {
	for _, c := range conformanceCases(f)[:400] {
		if c.Allow != nil && c.Deny != nil {
			f.Add(*c.Allow, *c.Deny, c.Daemon, c.Client.Addr, c.Client.Name)
		}
	}
	f.Fuzz(func(t *testing.T, allow, deny, daemon, addr, name string) {
		decide := func(legacy compat) (acl.Decision, int) {
			al, _ := parse("allow", allow, readSome, legacy)
			de, _ := parse("deny", deny, readSome, legacy)
			al.asked.Store(true)
			de.asked.Store(true)
			asked := 0
			r := &acl.Request{Daemon: daemon, Ask: func(acl.Fact) acl.Answer { asked++; return nameAnswer(name) }}
			if a, err := netip.ParseAddr(addr); err == nil && !a.Is4In6() {
				r.Remote = netip.AddrPortFrom(a, 1)
			}
			return Access{al, de}.Decide(r), asked
		}
		d, asked := decide(compat{})
		if (d.Verdict == acl.Pass) != (d.Rule == acl.Pos{}) {
			t.Errorf("%v without a rule, or a rule without a verdict: %v", d.Verdict, d.Rule)
		}
		for _, o := range d.Options {
			if o.Env > len(d.Env) || o.Key != lower(o.Key) {
				t.Errorf("option %+v of %d settings", o, len(d.Env))
			}
		}
		if slow, n := decide(compat{plain: true}); d.Verdict != slow.Verdict || d.Rule != slow.Rule || n != asked {
			t.Errorf("index: %v by %v, asked %d; scan: %v by %v, asked %d", d.Verdict, d.Rule, asked, slow.Verdict, slow.Rule, n)
		}
	})
}
