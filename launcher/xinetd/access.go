package xinetd

import (
	"errors"
	"net/netip"
	"slices"
	"strings"

	"doorward/acl"
	"doorward/acl/cidr"
	"doorward/acl/onlyfrom"
)

// relayClient is the variable that lets a client send mail anywhere
// (qmail-smtpd(8)).
const relayClient = "RELAYCLIENT"

var errRelay = errors.New("would let everybody relay: relay_from says who may")

// list sets only_from or no_access.
func list(field func(*Service) **words) func(*Service, *line) {
	return func(s *Service, l *line) {
		f := field(s)
		if *f == nil || l.op == set {
			*f = &words{}
		}
		(*f).pos = l.pos
		if l.op == remove {
			(*f).remove(l)
			return
		}
		for _, v := range l.values {
			if err := onlyfrom.Check(v); err != nil {
				l.fail(v, err)
			}
			(*f).words = append((*f).words, onlyfrom.Word{Text: v, Pos: l.pos})
		}
	}
}

func (w *words) remove(l *line) {
	for _, v := range l.values {
		n := len(w.words)
		w.words = slices.DeleteFunc(w.words, func(o onlyfrom.Word) bool { return o.Text == v })
		if len(w.words) == n {
			l.fail(v, errAbsent)
		}
	}
}

// compile returns the list that w stands for; nil stays nil.
func (w *words) compile() (*onlyfrom.List, error) {
	if w == nil {
		return nil, nil
	}
	return onlyfrom.Parse(w.pos, w.words)
}

// setRules leaves it to launcher/rules to know which policies there are.
func setRules(s *Service, l *line) { s.Rules = edit(l, s.Rules) }

var errNetwork = errors.New("want an address or ADDRESS/BITS")

func setRelayFrom(s *Service, l *line) {
	s.RelayFrom = networks(l, s.RelayFrom, "everybody may relay: an open relay, unless no one but friends can connect")
}

func setProxyProtocol(s *Service, l *line) {
	s.ProxyProtocol = networks(l, s.ProxyProtocol, "everybody may say who they are")
}

// networks returns list after a line of a list of networks. It warns of one
// that is everybody, as all says.
func networks(l *line, list []netip.Prefix, all string) []netip.Prefix {
	if l.op == set {
		list = nil
	}
	for _, v := range l.values {
		p, err := network(v)
		if err != nil {
			l.fail(v, err)
			continue
		}
		i := slices.Index(list, p)
		switch {
		case l.op == remove && i < 0:
			l.fail(v, errAbsent)
			continue
		case l.op == remove:
			list = slices.Delete(slices.Clone(list), i, i+1)
			continue
		case i < 0:
			list = append(list, p)
		}
		switch {
		case p.Bits() == 0:
			l.warn(v, all)
		case !strings.Contains(v, "/") && strings.HasSuffix(v, ".0"):
			l.warn(v, "one address; a network is ADDRESS/BITS here")
		}
	}
	return list
}

func network(v string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(v); err == nil && a.Zone() == "" {
		return cidr.Canonical(netip.PrefixFrom(a, a.BitLen()))
	}
	p, err := netip.ParsePrefix(v)
	if err != nil {
		return p, errNetwork
	}
	return cidr.Canonical(p)
}

func setRelayClient(s *Service, l *line) {
	s.RelayClient = ""
	if len(l.values) == 0 {
		return
	}
	s.RelayClient = l.values[0]
	switch strings.ToLower(s.RelayClient) {
	case "no", "0", "false", "off":
		l.warn(s.RelayClient, "lets those in relay_from relay all the same: any value does")
	}
}

var facts = map[string]acl.Kind{"name": acl.Name, "localname": acl.LocalName, "ident": acl.Ident}

func setLookup(s *Service, l *line) {
	if l.op == set {
		s.Lookup = nil
	}
	for _, v := range l.values {
		k, ok := facts[strings.ToLower(v)]
		i := slices.Index(s.Lookup, k)
		switch {
		case !ok:
			l.fail(v, errors.New("want some of name, localname, ident"))
		case l.op == remove && i >= 0:
			s.Lookup = slices.Delete(slices.Clone(s.Lookup), i, i+1)
		case l.op != remove && i < 0:
			s.Lookup = append(s.Lookup, k)
		}
	}
}

func setStderr(s *Service, l *line) {
	switch strings.ToLower(l.values[0]) {
	case "log":
		s.Stderr = StderrLog
	case "socket":
		s.Stderr = StderrSocket
	default:
		l.fail(l.values[0], errors.New("want log or socket"))
	}
}
