package hosts

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"doorward/acl"
)

// What tables are made of: few enough addresses and names for rules to match
// now and then.
var (
	someAddrs   = []string{"192.0.2.1", "192.0.2.200", "198.51.100.7", "2001:db8::1", "2001:db8:0:1::1", "::192.0.2.1", "fe80::1%lo", "255.255.255.255", ""}
	someNames   = []string{"mx.example.net", "example.net", "MX.example.org", "localhost", "10.example", "unknown", "paranoid", ""}
	someDaemons = []string{"smtp", "IMAP", "in.ftpd", "unknown"}
	daemonWords = []string{"smtp", "imap", "SMTP", "in.ftpd", "in.", ".ftpd", "sm*", "ALL", "KNOWN", "25", "smtp@192.0.2.1", "ALL@KNOWN", "imap@.example.net", "25@LOCAL"}
	clientWords = []string{
		"192.0.2.1", "192.0.2.0/24", "192.0.2.", "192.0.2.128/255.255.255.128", "192.0.2.1/24", "0.0.0.0/0.0.0.0", "192.0.0.1/255.0.0.255",
		"198.51.100.7", "255.", "255.255.255.255", "128.0.0.0/1", "[2001:db8::1]", "[2001:db8::]/32", "[2001:db8::]/x", "[::]/0", "[fe80::1%lo]", "[fe80::1]", "[::ffff:192.0.2.1]",
		"mx.example.net", ".example.net", ".EXAMPLE.org", "mx.", "mx*", "192.0.*", ".1", "10.example", ".0.2.1", "LOCAL", "KNOWN", "UNKNOWN", "PARANOID", "ALL",
		"joe@192.0.2.0/24", "KNOWN@ALL", "ALL@.example.net", "@group", "/nets", "/mixed", "/missing", "nobody@/mixed", "joe@[2001:db8::1]",
	}
	patternFiles = map[string]string{
		"/nets":  strings.Repeat("203.0.113.9 192.0.2.128/25\n", 6) + "198.51.100.0/24 [2001:db8::]/48",
		"/mixed": "10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.6 10.0.0.7 198.51.100.7 mx.example.org /mixed /nets 192.0.2.1 [2001:db8::]/zz",
	}
)

// words joins some of the words of a list.
func wordsOf(t *rapid.T, label string, from []string, most int) string {
	ws := rapid.SliceOfN(rapid.SampledFrom(append(from, "EXCEPT")), 1, most).Draw(t, label)
	return strings.Join(ws, rapid.SampledFrom([]string{" ", ", "}).Draw(t, "separator"))
}

func tableOf(t *rapid.T, label string) string {
	var b strings.Builder
	for range rapid.IntRange(0, 12).Draw(t, label) {
		daemons, clients := "smtp", strings.Repeat("203.0.113.1 ", 8)
		if rapid.IntRange(0, 2).Draw(t, "daemons") > 0 {
			daemons = wordsOf(t, "daemon", daemonWords, 3)
		}
		if rapid.IntRange(0, 5).Draw(t, "clients") > 0 {
			clients = ""
		}
		clients += wordsOf(t, "client", clientWords, 4)
		options := rapid.SampledFrom([]string{"", "", ": allow", ": deny", ": setenv N %n : spawn %c", ": bogus"}).Draw(t, "options")
		fmt.Fprintf(&b, "%s : %s %s\n", daemons, clients, options)
	}
	return b.String()
}

// clientOf draws a client and how to ask about it: what was asked ends up in
// the log.
func clientOf(t *rapid.T) func(log *[]acl.Fact) *acl.Request {
	addr := rapid.SampledFrom(someAddrs).Draw(t, "address")
	name := rapid.SampledFrom(someNames).Draw(t, "name")
	user := rapid.SampledFrom([]string{"joe", ""}).Draw(t, "user")
	daemon := rapid.SampledFrom(someDaemons).Draw(t, "daemon")
	unix := rapid.IntRange(0, 9).Draw(t, "unix") == 0
	return func(log *[]acl.Fact) *acl.Request {
		r := &acl.Request{Daemon: daemon, Unix: unix, Local: netip.MustParseAddrPort("192.0.2.1:25")}
		if a, err := netip.ParseAddr(addr); err == nil {
			r.Remote = netip.AddrPortFrom(a, 1024)
		}
		r.Ask = func(f acl.Fact) acl.Answer {
			*log = append(*log, f)
			switch f.Kind {
			case acl.Name:
				return nameAnswer(name)
			case acl.LocalName:
				return nameAnswer("mx.example.net")
			case acl.Ident:
				return nameAnswer(user)
			}
			return acl.Answer{Status: acl.Status(len(name) % 2)} // a netgroup
		}
		return r
	}
}

func readSome(name string) (string, error) {
	if text, ok := patternFiles[name]; ok {
		return text, nil
	}
	return "", ErrNoFile
}

// The index and the address tables are as good as looking at one pattern after
// the other: they come to the same decision by the same rule, and on the way
// the same facts are asked for in the same order.
func TestIndexAgreesWithScan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		allow, deny := tableOf(t, "allow"), tableOf(t, "deny")
		client := clientOf(t)
		decide := func(legacy compat) (acl.Decision, []acl.Fact) {
			al, _ := parse("allow", allow, readSome, legacy)
			de, _ := parse("deny", deny, readSome, legacy)
			al.asked.Store(true) // the index answers at once
			de.asked.Store(true)
			var log []acl.Fact
			return Access{al, de}.Decide(client(&log)), log
		}
		fast, asked := decide(compat{})
		slow, wanted := decide(compat{plain: true})
		if !reflect.DeepEqual(fast, slow) || !reflect.DeepEqual(asked, wanted) {
			t.Fatalf("allow:\n%sdeny:\n%sindex %+v, asked %v\nscan  %+v, asked %v", allow, deny, fast, asked, slow, wanted)
		}
	})
}

// Explain and Decide are two ways to the same decision.
func TestExplainAgreesWithDecide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		allow, deny := tableOf(t, "allow"), tableOf(t, "deny")
		al, _ := Parse("allow", allow, readSome)
		de, _ := Parse("deny", deny, readSome)
		client := clientOf(t)
		var asked, told []acl.Fact
		d := Access{al, de}.Decide(client(&asked))
		trace := Access{al, de}.Explain(client(&told))
		if d.Verdict != trace.Decision.Verdict || d.Rule != trace.Decision.Rule || !reflect.DeepEqual(asked, told) {
			t.Fatalf("allow:\n%sdeny:\n%sDecide  %+v, asked %v\nExplain %+v, asked %v", allow, deny, d, asked, trace.Decision, told)
		}
	})
}
