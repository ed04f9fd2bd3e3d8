package xinetd

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"doorward/acl"
)

// build makes services of the entries, once all files have been read.
func (p *parser) build() {
	for _, l := range p.defaults {
		p.defErrs = append(p.defErrs, l.errs...)
		p.config.Warnings = append(p.config.Warnings, l.warnings...)
	}
	for _, e := range p.entries {
		p.config.Services = append(p.config.Services, p.assemble(e))
	}
	p.enable()
	for i, s := range p.config.Services {
		if !s.Disabled && !p.entries[i].unread {
			p.check(s)
		}
	}
	p.unique()
}

// assemble makes a service of its lines and those of defaults.
func (p *parser) assemble(e *entry) *Service {
	s := &Service{Name: e.name, ID: e.name, Pos: e.pos, Disabled: e.disabled, errs: e.errs, inherited: p.defErrs}
	given := map[string]*line{}
	s.written = given
	for _, l := range e.lines {
		s.errs = append(s.errs, l.errs...)
		p.config.Warnings = append(p.config.Warnings, l.warnings...)
		first := given[l.key()]
		switch {
		case first == nil && l.op != set:
			s.apply(p.defaults[:e.defaults], l.key())
		case first != nil && !l.attr.isList():
			p.warn(l.pos, l.name, fmt.Sprintf("set already at %v, which counts", first.pos))
			continue
		case first != nil && l.op == set:
			p.warn(l.pos, l.name, fmt.Sprintf("replaces what is at %v", first.pos))
		}
		given[l.key()] = l
		s.applyLine(l)
	}
	for _, l := range p.defaults {
		if given[l.key()] != nil {
			continue
		}
		s.apply(p.defaults, l.key())
		given[l.key()] = l
	}
	return s
}

// apply sets an attribute by its lines in defaults: of one that is no list
// the first counts.
func (s *Service) apply(defaults []*line, key string) {
	for _, l := range defaults {
		if l.key() != key {
			continue
		}
		s.applyLine(l)
		if !l.attr.isList() {
			return
		}
	}
}

// applyLine sets an attribute. The line is not told of its mistakes again,
// except of taking away what is not there.
func (s *Service) applyLine(l *line) {
	if !l.ok {
		return
	}
	once := &line{pos: l.pos, name: l.name, op: l.op, values: l.values, attr: l.attr}
	l.attr.set(s, once)
	s.lines = append(s.lines, l)
	if l.op == remove {
		s.errs = append(s.errs, once.errs...)
	}
}

// enable does as enabled and disabled of defaults say. They name services by
// id; one that is disabled by its own entry stays so.
func (p *parser) enable() {
	var on, off []string
	var onlySome bool
	for _, l := range p.defaults {
		switch l.name {
		case "enabled":
			on, onlySome = edit(l, on), true
		case "disabled":
			off = edit(l, off)
		default:
			continue
		}
		for _, id := range l.values {
			if !slices.ContainsFunc(p.config.Services, func(s *Service) bool { return s.ID == id }) {
				p.warn(l.pos, id, "no service has this id")
			}
		}
	}
	for _, s := range p.config.Services {
		if onlySome && !slices.Contains(on, s.ID) || slices.Contains(off, s.ID) {
			s.Disabled = true
		}
	}
}

// unique finds the services that logs, systemd and a reload could not tell
// apart, and those that want a socket another one has. The first one keeps it.
func (p *parser) unique() {
	ids, sockets := map[string]*Service{}, map[string]*Service{}
	for s := range p.config.Startable {
		if other := ids[s.Key()]; other != nil {
			s.fail("id", s.ID, fmt.Errorf("another service has this id, at %v", other.Pos))
			continue
		}
		ids[s.Key()] = s
		for _, a := range s.addresses() {
			socket := s.Protocol + " " + a.String()
			if other := sockets[socket]; other != nil {
				s.fail("port", strconv.Itoa(int(s.Port)), fmt.Errorf("another service has this port and address, at %v", other.Pos))
				break
			}
			sockets[socket] = s
		}
	}
}

// addresses returns where the service listens. The address :: without v6only
// is that of IPv4 clients, too.
func (s *Service) addresses() (all []netip.AddrPort) {
	switch {
	case len(s.Bind) == 0 && s.Family == IPv4:
		all = append(all, netip.AddrPortFrom(netip.IPv4Unspecified(), s.Port))
	case len(s.Bind) == 0:
		all = append(all, netip.AddrPortFrom(netip.IPv6Unspecified(), s.Port))
	}
	for _, a := range s.Bind {
		all = append(all, netip.AddrPortFrom(a, s.Port))
	}
	return all
}

// fail records a mistake in the value of an attribute.
func (s *Service) fail(attribute, word string, err error) {
	s.errs = append(s.errs, &acl.SyntaxError{Pos: s.At(attribute), Text: word, Err: err})
}

// missing records a mistake of leaving an attribute out. If it is there, with
// a mistake in it, there is no other.
func (s *Service) missing(attribute, why string) {
	if s.written[attribute] != nil {
		return
	}
	s.errs = append(s.errs, &acl.SyntaxError{Pos: s.Pos, Text: s.Name, Err: errors.New("needs " + attribute + why)})
}
