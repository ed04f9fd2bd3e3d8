package main

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"doorward/acl"
	"doorward/acl/dnsbl"
	"doorward/launcher/lookup"
)

// patience is how long the servers are given to answer, each in turn, round by
// round. In the second round a server that reports a failure is given the
// whole time to think better of it. So a client is kept waiting for 11 seconds
// by a list that fails, and for 59 by a server that is silent.
var patience = []time.Duration{3 * time.Second, 11 * time.Second, 45 * time.Second}

// lists asks DNS lists about a client.
type lists struct {
	client  string // TCPREMOTEIP
	servers []netip.AddrPort
	rounds  []time.Duration // see patience
}

// newLists returns lists asked through $DNSCACHEIP or, without it, the servers
// of /etc/resolv.conf.
func newLists(client string) lists {
	return lists{client, lookup.DNSCacheIP(os.LookupEnv, "/etc/resolv.conf")().Servers, patience}
}

// ask answers acl.Listed in the form of dnsbl.Listing.
func (l lists) ask(f acl.Fact) acl.Answer {
	q := dnsbl.ParseQuestion(f.Arg)
	name := squeeze(dnsbl.QueryText(l.client, q.Zone))

	var found dnsbl.Listing
	if q.A {
		rec, err := l.lookup(name, dnsmessage.TypeA)
		if err != nil {
			return failed(err)
		}
		found.Addrs = rec.Addrs
	}
	if q.TXT {
		rec, err := l.lookup(name, dnsmessage.TypeTXT)
		if err != nil && !q.A { // beside an address the text is but a comment
			return failed(err)
		}
		found.Text = strings.Join(rec.Texts, "")
	}
	if q.A && q.TXT && l.listsTheWorld(q.Zone) {
		return acl.Answer{Status: acl.Failed}
	}
	return acl.Answer{Status: acl.Found, Text: found.String()}
}

// listsTheWorld reports whether a list has the address that none has: it has
// died, and has everybody. It is asked only of lists with codes, behind a
// listing, since the original asks nothing of the kind.
func (l lists) listsTheWorld(zone string) bool {
	a, _ := netip.ParseAddr(l.client)
	_, err := l.lookup(squeeze(dnsbl.MustNotHave(zone, a.Unmap().Is6())), dnsmessage.TypeA)
	return err == nil
}

func failed(err error) acl.Answer {
	if errors.Is(err, lookup.ErrAbsent) {
		return acl.Answer{Status: acl.Absent}
	}
	return acl.Answer{Status: acl.Failed}
}

// lookup asks the servers for the records of name, round by round.
func (l lists) lookup(name string, typ dnsmessage.Type) (rec lookup.Records, err error) {
	for i, wait := range l.rounds {
		over := time.Now().Add(wait)
		r := lookup.Resolver{Servers: l.servers, Timeouts: l.rounds[i : i+1]}
		rec, err = r.Lookup(context.Background(), name, typ)
		if err == nil || errors.Is(err, lookup.ErrAbsent) {
			break
		}
		if i == 1 {
			time.Sleep(time.Until(over))
		}
	}
	return rec, err
}

// squeeze leaves out the empty labels of a name, such as a dot at its end
// makes: DNS has none.
func squeeze(name string) string {
	return strings.Join(strings.FieldsFunc(name, func(c rune) bool { return c == '.' }), ".")
}
