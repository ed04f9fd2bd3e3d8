package xinetd

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"doorward/acl"
	"doorward/acl/dnsbl"
	"doorward/launcher/dnslist"
)

// DNSLists are the attributes dnsbl, dnswl, dnsbl_threshold, dnsbl_action,
// dnsbl_reply and dns. The zero DNSLists asks nobody.
type DNSLists struct {
	block, allow []dnsbl.Zone
	threshold    int
	action       dnsbl.Action
	reply        dnsbl.Template

	Servers []netip.AddrPort // DNS servers to ask; none: those of resolv.conf(5)
}

// Policy returns the lists as a policy, nil if there are none.
func (d *DNSLists) Policy() *dnsbl.Lists {
	if len(d.block) == 0 {
		return nil
	}
	return &dnsbl.Lists{Zones: slices.Concat(d.block, d.allow), Threshold: d.threshold, Action: d.action, Template: d.reply}
}

// String returns the lists as they could be written, for people.
func (d DNSLists) String() string {
	var words []string
	for _, z := range slices.Concat(d.block, d.allow) {
		words = append(words, fmt.Sprintf("%s=%v*%d", z.Name, z.Codes, z.Weight))
	}
	return fmt.Sprintf("%s threshold %d action %d reply %q dns %v", strings.Join(words, " "), max(d.threshold, 1), d.action, d.reply, d.Servers)
}

// bare returns d without places.
func (d DNSLists) bare() DNSLists {
	d.block, d.allow = unplaced(d.block), unplaced(d.allow)
	return d
}

func unplaced(zones []dnsbl.Zone) []dnsbl.Zone {
	zones = slices.Clone(zones)
	for i := range zones {
		zones[i].Pos = acl.Pos{}
	}
	return zones
}

// zones sets dnsbl or dnswl.
func zones(parse func(acl.Pos, string) ([]dnsbl.Zone, error), field func(*DNSLists) *[]dnsbl.Zone) func(*Service, *line) {
	return func(s *Service, l *line) {
		f := field(&s.DNSLists)
		if l.op == set {
			*f = nil
		}
		zs, err := parse(l.pos, strings.Join(l.values, " "))
		l.failAll(err)
		*f = append((*f)[:len(*f):len(*f)], zs...)
	}
}

func setDNSBLThreshold(s *Service, l *line) {
	n, err := strconv.Atoi(l.values[0])
	if err != nil || n < 1 {
		l.fail(l.values[0], errors.New("want a number above 0"))
		return
	}
	s.DNSLists.threshold = n
}

func setDNSBLAction(s *Service, l *line) {
	a, err := dnsbl.ParseAction(strings.ToLower(l.values[0]))
	if err != nil {
		l.fail(l.values[0], err)
	}
	s.DNSLists.action = a
}

func setDNSBLReply(s *Service, l *line) {
	t, err := dnsbl.ParseTemplate(strings.Join(l.values, " "))
	if err != nil {
		l.fail(strings.Join(l.values, " "), err)
	}
	s.DNSLists.reply = t
}

func setDNS(s *Service, l *line) {
	servers, err := dnslist.ParseServers(l.pos, strings.Join(l.values, " "))
	l.failAll(err)
	s.DNSLists.Servers = servers
}

// failAll records the mistakes that another parser joined, which know their
// place already.
func (l *line) failAll(err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		l.errs = append(l.errs, joined.Unwrap()...)
	}
}

// checkDNSLists finds lists that could never keep anybody out.
func (s *Service) checkDNSLists(p *parser) {
	lists := s.DNSLists.Policy()
	switch {
	case lists != nil:
		if err := lists.Check(); err != nil {
			s.fail("dnsbl", s.DNSLists.block[0].Name, err)
		}
	case len(s.DNSLists.allow) > 0:
		p.warn(s.At("dnswl"), s.DNSLists.allow[0].Name, "weighs against nothing: there is no dnsbl")
	}
}
