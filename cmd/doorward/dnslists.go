package main

import (
	"context"
	"fmt"
	"time"

	"doorward/acl"
	"doorward/acl/dnsbl"
	"doorward/cmd/internal/xinetdhost"
	"doorward/launcher/dnslist"
	"doorward/launcher/journal"
	"doorward/launcher/xinetd"
)

// dnsLists are the engines that ask DNS lists, one for each set of servers:
// services that ask the same servers share what is known about lists and
// clients.
type dnsLists struct {
	journal journal.Sink
	engines map[string]*dnslist.Engine
}

// engine returns the engine of a service, and starts it if it is new.
func (d *dnsLists) engine(lists *xinetd.DNSLists) *dnslist.Engine {
	key := fmt.Sprint(lists.Servers)
	if e := d.engines[key]; e != nil {
		return e
	}
	e := dnslist.New(dnslist.Config{
		Lookup: dnslist.Stub(xinetdhost.ListServers(lists), xinetdhost.ListTime),
		Log: func(n acl.Note) {
			d.journal(journal.Event{Kind: journal.Noted, Time: time.Now(), Service: "dns lists", Text: n.String()})
		},
	})
	if d.engines == nil {
		d.engines = map[string]*dnslist.Engine{}
	}
	d.engines[key] = e
	go e.Run(context.Background())
	return e
}

// follow tells the engines which lists are in use.
func (d *dnsLists) follow(services []*xinetd.Service) {
	used := map[*dnslist.Engine][]*dnsbl.Lists{}
	for _, s := range services {
		if l := s.DNSLists.Policy(); l != nil {
			e := d.engine(&s.DNSLists)
			used[e] = append(used[e], l)
		}
	}
	for _, e := range d.engines {
		e.Use(used[e]...)
	}
}
