package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"doorward/acl"
	"doorward/acl/dnsbl"
	"doorward/launcher/dnslist"
	"doorward/launcher/lookup"
)

// listTime bounds how long a question to a DNS list may take.
const listTime = 3 * time.Second

// dnsLists takes the words dnsbl:ZONE and dnswl:ZONE, where ZONE may have codes
// and a weight, out of those of --rules. Nil lists are none.
func dnsLists(words []string) (lists *dnsbl.Lists, rest []string, err error) {
	l := &dnsbl.Lists{}
	for _, word := range words {
		kind, zone, _ := strings.Cut(word, ":")
		parse := dnsbl.ParseZones
		switch kind {
		case "dnsbl":
		case "dnswl":
			parse = dnsbl.ParseAllow
		default:
			rest = append(rest, word)
			continue
		}
		zones, err := parse(acl.Pos{File: "--rules"}, zone)
		if err != nil {
			return nil, nil, err
		}
		if len(zones) == 0 {
			return nil, nil, fmt.Errorf("--rules %q: want the name of a DNS list behind the colon", word)
		}
		l.Zones = append(l.Zones, zones...)
	}
	if len(l.Zones) == 0 {
		return nil, rest, nil
	}
	return l, rest, l.Check()
}

// engine asks lists as long as this process lives. Warn hears of lists that
// are switched off and on.
func engine(warn func(error)) *dnslist.Engine {
	e := dnslist.New(dnslist.Config{
		Lookup: dnslist.Stub(lookup.DNSCacheIP(os.LookupEnv, "/etc/resolv.conf"), listTime),
		Log:    func(n acl.Note) { warn(fmt.Errorf("%v", n)) },
	})
	go e.Run(context.Background())
	return e
}
