package main

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"doorward/acl"
	"doorward/cmd/internal/xinetdhost"
	"doorward/launcher"
	"doorward/launcher/builtin"
	"doorward/launcher/journal"
	"doorward/launcher/xinetd"
)

// handler returns what serves the clients of a service that has no program, or
// nil.
func (s *superserver) handler(service *xinetd.Service) builtin.Service {
	switch {
	case service.Flags&xinetd.Sensor != 0:
		return s.sensor(service)
	case service.Internal:
		return builtin.Small(service.Name, time.Now)
	case service.Redirect != nil:
		return builtin.Redirect(net.JoinHostPort(service.Redirect[0], service.Redirect[1]))
	}
	return nil
}

// sensor returns a service that remembers its clients, for all the others, and
// does nothing else.
func (s *superserver) sensor(service *xinetd.Service) builtin.Service {
	rule := service.At("flags")
	return func(c builtin.Stream) error {
		client, err := netip.ParseAddrPort(c.RemoteAddr().String())
		if err != nil || service.DenyTime == 0 {
			return err
		}
		a := client.Addr().Unmap()
		text := fmt.Sprintf("is kept out of every service for %v", service.DenyTime)
		switch {
		case !s.sensors.Add(a, rule, time.Now(), service.DenyTime):
			text = "is not kept out of other services: there are too many such clients"
		case service.DenyTime == launcher.Forever:
			text = "is kept out of every service until doorward is started again"
		}
		s.journal(journal.Event{Kind: journal.Noted, Time: time.Now(), Service: service.ID, Remote: netip.AddrPortFrom(a, client.Port()), Text: text})
		return nil
	}
}

// policy puts the rules of a service together, in the order in which xinetd
// asks them.
func (s *superserver) policy(service *xinetd.Service, rules acl.Policy) acl.All {
	return acl.All{s.sensors.Policy(time.Now), service.Access, xinetdhost.OnlyKnown(service), rules}
}
