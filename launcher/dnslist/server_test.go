package dnslist_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"doorward/acl/dnsbl"
	"doorward/launcher/internal/dnstest"
)

// The faults that only lists have, or resolvers in front of them.
const (
	dropsHalf  dnstest.Fault = "drops half"
	refuses    dnstest.Fault = "answers 127.255.255.254"
	everything dnstest.Fault = "answers everything"
	rewrites   dnstest.Fault = "rewrites NXDOMAIN"
	bogusTTL   dnstest.Fault = "bogus TTLs"
	loops      dnstest.Fault = "loops of CNAME"
	nothing    dnstest.Fault = "lists nothing, not even 127.0.0.2"
)

var faults = append([]dnstest.Fault{dropsHalf, refuses, everything, rewrites, bogusTTL, loops, nothing}, dnstest.Faults...)

// hides are the faults under which a list cannot be heard, and what the log
// says of each.
var hides = map[dnstest.Fault]string{
	dnstest.Silent:      "i/o timeout|deadline exceeded",
	dnstest.Late:        "i/o timeout|deadline exceeded",
	dnstest.OnlyWrongID: "replies to questions that were not asked",
	dnstest.CutOff:      "read tcp .* i/o timeout",
	dnstest.ServFail:    "SERVFAIL",
	dnstest.Refused:     "REFUSED",
	dnstest.Torn:        "replies to questions that were not asked",
	dnstest.OnlyGarbage: "i/o timeout, but .* replies to|deadline exceeded, but .* replies to",
	refuses:             `the list refuses our questions \(127\.255\.255\.254\)`,
	everything:          "it has 127.0.0.1, which no list has",
	loops:               "too many aliases",
	nothing:             "it does not have 127.0.0.2, which every list has",
}

// listed are lists that have 192.0.2.7 and go wrong: by zone, without a final
// dot.
type listed map[string]dnstest.Fault

func serve(t testing.TB, zones listed, latency time.Duration) *dnstest.Server {
	t.Helper()
	return dnstest.Start(t, &dnstest.Server{Answer: zones.answer, Latency: latency})
}

func (zones listed) answer(m *dnsmessage.Message, name string) dnstest.Fault {
	f, front := zones.fault(strings.TrimSuffix(name, "."))
	say(m, f, front)
	if f == dropsHalf && rand.IntN(2) == 0 {
		return dnstest.Silent
	}
	return f
}

// fault returns what goes wrong about name, and what stands before the zone.
func (zones listed) fault(name string) (f dnstest.Fault, front string) {
	for zone, f := range zones {
		if front, ok := strings.CutSuffix(name, "."+zone); ok {
			return f, front
		}
	}
	for _, f := range zones {
		if f == rewrites {
			return rewrites, name // a resolver does it to all names
		}
	}
	return dnstest.None, name
}

// say fills in what the list says, right or not.
func say(m *dnsmessage.Message, f dnstest.Fault, front string) {
	q := m.Questions[0]
	addr, ttl := [4]byte{}, uint32(300)
	has := front == "7.2.0.192" || front == "2.0.0.127" || front+"." == testAddrs[1]
	switch {
	case f == loops:
		h := dnsmessage.ResourceHeader{Name: q.Name, Type: dnsmessage.TypeCNAME, Class: dnsmessage.ClassINET, TTL: 60}
		for range 20 {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.CNAMEResource{CNAME: q.Name}})
		}
		return
	case f == refuses:
		addr = [4]byte{127, 255, 255, 254}
	case f == everything || has && f != nothing:
		addr = [4]byte{127, 0, 0, 2}
	case f == rewrites:
		addr = [4]byte{203, 0, 113, 80}
	default:
		m.RCode = dnsmessage.RCodeNameError
	}
	if f == bogusTTL {
		ttl = rand.Uint32()
	}
	h := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: dnsmessage.ClassINET, TTL: ttl}
	switch {
	case m.RCode != dnsmessage.RCodeSuccess:
	case q.Type == dnsmessage.TypeA:
		m.Answers = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.AResource{A: addr}}}
	case q.Type == dnsmessage.TypeTXT:
		m.Answers = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.TXTResource{TXT: []string{"because"}}}}
	}
}

// weigh makes a policy of block lists with one weight.
func weigh(threshold int, zones ...string) *dnsbl.Lists {
	l := &dnsbl.Lists{Threshold: threshold}
	for _, z := range zones {
		l.Zones = append(l.Zones, dnsbl.Zone{Name: z, Weight: 1})
	}
	return l
}
