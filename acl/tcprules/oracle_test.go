package tcprules_test

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"doorward/acl"
	"doorward/acl/tcprules"

	"pgregory.net/rapid"
)

// slow is the oracle: the keys of a client written down one after the other,
// each looked for in the text from the first line to the last. It knows no
// ranges, no prefixes in bits, and only lines that are right.
type slow []string // lines

func (s slow) lookup(ip string, name, user *string) (key, instructions string, ok bool) {
	for _, key := range keysOf(ip, name, user) {
		for _, l := range s {
			i := strings.LastIndex(l, ":")
			if l[:i] == key {
				return key, l[i+1:], true
			}
		}
	}
	return "", "", false
}

func keysOf(ip string, name, user *string) (keys []string) {
	if user != nil {
		keys = append(keys, *user+"@"+ip)
	}
	if user != nil && name != nil {
		keys = append(keys, *user+"@="+*name)
	}
	keys = append(keys, ip)
	if name != nil {
		keys = append(keys, "="+*name)
	}
	for i := len(ip); i > 0; i-- {
		if strings.HasSuffix(ip[:i], ".") || strings.HasSuffix(ip[:i], ":") {
			keys = append(keys, ip[:i])
		}
	}
	if name != nil {
		for i := range *name {
			if (*name)[i] == '.' {
				keys = append(keys, "="+(*name)[i:])
			}
		}
		keys = append(keys, "=")
	}
	return append(keys, "")
}

func TestLookupAgreesWithAList(t *testing.T) {
	ips := rapid.SampledFrom([]string{"192.0.2.7", "192.0.2.77", "2001:db8::7", "::ffff:192.0.2.7", "::1"})
	names := rapid.SampledFrom([]string{"a.example.net", "b.example.net", "example.net", "localhost", "a@b.net", ""})
	users := rapid.SampledFrom([]string{"joe", "ann", "", "joe@home"})
	maybe := func(g *rapid.Generator[string]) *rapid.Generator[*string] { return rapid.Ptr(g, true) }
	rapid.Check(t, func(t *rapid.T) {
		var list slow
		for range rapid.IntRange(0, 12).Draw(t, "lines") {
			keys := keysOf(ips.Draw(t, "ip"), maybe(names).Draw(t, "name"), maybe(users).Draw(t, "user"))
			verdict := rapid.SampledFrom([]string{":allow", ":deny"}).Draw(t, "verdict")
			list = append(list, rapid.SampledFrom(keys).Draw(t, "key")+verdict)
		}
		ip, name, user := ips.Draw(t, "ip"), maybe(names).Draw(t, "name"), maybe(users).Draw(t, "user")
		wantKey, wantVerdict, wantOK := list.lookup(ip, name, user)

		rules, err := tcprules.Parse("tcp", strings.Join(list, "\n"))
		if err != nil {
			t.Fatal(err)
		}
		c := recorded{Host: name, Info: user}
		key, d, ok := rules.Lookup(ip, c.request())
		if key != wantKey || ok != wantOK || ok && d.Verdict.String() != wantVerdict {
			t.Fatalf("%v by %q (%v), want %v by %q (%v)", d.Verdict, key, ok, wantVerdict, wantKey, wantOK)
		}
	})
}

// sameAnswers compares rules read from text with the same rules compiled.
func sameAnswers(t testing.TB, text *tcprules.Rules, ip string, c recorded) {
	t.Helper()
	compiled, err := tcprules.FromCDB("tcp.cdb", text.CDB())
	if err != nil {
		t.Fatalf("our own database: %v", err)
	}
	for _, pair := range [][2]*tcprules.Rules{{text, compiled}, {text.Literal(), compiled.Literal()}} {
		key1, d1, ok1 := pair[0].Lookup(ip, c.request())
		key2, d2, ok2 := pair[1].Lookup(ip, c.request())
		if ok1 && (d1.Rule.Line == 0 || d2.Rule.Key == "") {
			t.Errorf("rules without a place: %v, %v", d1.Rule, d2.Rule)
		}
		d1.Rule, d2.Rule = acl.Pos{}, acl.Pos{}
		if key1 != key2 || ok1 != ok2 || !reflect.DeepEqual(d1, d2) {
			t.Errorf("text: %q %v %v; compiled: %q %v %v", key1, d1, ok1, key2, d2, ok2)
		}
		if (d1.Verdict == acl.Pass) == ok1 || d1.Verdict == acl.Deny && d1.Env != nil {
			t.Errorf("%q: %v, found %v", key1, d1, ok1)
		}
	}
}

func FuzzParse(f *testing.F) {
	for i, c := range corpus(f) {
		if i%20 == 0 {
			f.Add(c.Rules, c.ip(), "mx.example.net", "joe")
		}
	}
	f.Add("192.0.2.0/25:deny\n[2001:db8::]/32:allow\n192.0.:allow", "192.0.2.7", "", "")
	f.Add("192.0.2.-:deny\n-:allow\n1.-9.:deny,A=\"\x00D\x00\"", "1.9.2.7", "..", "@")
	f.Fuzz(func(t *testing.T, src, ip, name, user string) {
		rules, err := tcprules.Parse("tcp", src)
		if rules == nil {
			t.Fatal("no rules, not even those of the good lines")
		}
		for _, e := range unjoin(err) {
			if bad, ok := e.(*acl.SyntaxError); !ok || bad.Pos.Line < 1 || bad.Pos.Line > strings.Count(src, "\n")+1 {
				t.Fatalf("error without a place: %v", e)
			}
		}
		sameAnswers(t, rules, ip, recorded{Host: &name, Info: &user})
		sameAnswers(t, rules, ip, recorded{})
	})
}

// FuzzFromCDB: whatever the bytes, the rules of a database that was accepted
// are decided by, and none that was not is.
func FuzzFromCDB(f *testing.F) {
	f.Add([]byte(parse(f, "192.0.2.7:deny\n192.0.2.0/24:allow,A=\"x\"\njoe@=a.net:deny\n").CDB()), "192.0.2.7")
	f.Add([]byte(parse(f, "").CDB()), "::1")
	f.Fuzz(func(t *testing.T, data []byte, ip string) {
		rules, err := tcprules.FromCDB("tcp.cdb", data)
		if (rules == nil) != (err != nil) {
			t.Fatalf("rules %v, error %v", rules, err)
		}
		if err != nil {
			return
		}
		name, user := "a.net", "joe"
		c := recorded{Host: &name, Info: &user}
		if _, d, ok := rules.Lookup(ip, c.request()); ok && (d.Verdict == acl.Pass || d.Rule.Key == "") {
			t.Fatalf("%+v", d)
		}
	})
}

func unjoin(err error) []error {
	if err == nil {
		return nil
	}
	return err.(interface{ Unwrap() []error }).Unwrap()
}

// A host name with an @ in it is found behind a user all the same.
func TestUserAtNameWithAt(t *testing.T) {
	rules, err := tcprules.Parse("r", "joe@=a@b.net:deny\n:allow\n")
	if err != nil {
		t.Fatal(err)
	}
	q := &acl.Request{Remote: netip.MustParseAddrPort("192.0.2.7:1")}
	q.Learn(acl.Name, "", acl.Answer{Status: acl.Found, Text: "a@b.net"})
	q.Learn(acl.Ident, "", acl.Answer{Status: acl.Found, Text: "joe"})
	if d := rules.Decide(q); d.Verdict != acl.Deny {
		t.Errorf("got %v by %v", d.Verdict, d.Rule)
	}
}
