package xinetd

import (
	"reflect"
	"slices"

	"doorward/acl/onlyfrom"
)

// A Change is what a reload does to one service.
type Change struct {
	Op       byte // '+' added, '-' removed, '~' changed
	Old, New *Service
}

// String returns the change as "+ smtp".
func (c Change) String() string {
	s := c.New
	if s == nil {
		s = c.Old
	}
	return string(c.Op) + " " + s.ID
}

// Diff returns what is different between the services that run under one
// configuration and those that run under another, in the order of new, then
// what was removed in the order of old. Where a service stands in its file
// does not count. A service that is the same is not in the list; the new one
// may still know better which line a rule is on.
func Diff(old, new *Config) []Change {
	was := byKey(old)
	var changes []Change
	for s := range new.Startable {
		o := was[s.Key()]
		delete(was, s.Key())
		switch {
		case o == nil:
			changes = append(changes, Change{'+', nil, s})
		case !o.equal(s):
			changes = append(changes, Change{'~', o, s})
		}
	}
	for s := range old.Startable {
		if was[s.Key()] == s {
			changes = append(changes, Change{'-', s, nil})
		}
	}
	return changes
}

func byKey(c *Config) map[string]*Service {
	m := map[string]*Service{}
	for s := range c.Startable {
		m[s.Key()] = s
	}
	return m
}

// KeepFrom puts the services of an older configuration in the place of those
// that have mistakes in c, and returns them. Where part of c could not be
// read at all, every older service that is not in c is kept: it may be in the
// part that is missing.
func (c *Config) KeepFrom(old *Config) (kept []*Service) {
	for o := range old.Startable {
		i := slices.IndexFunc(c.Services, func(s *Service) bool { return s.ID == o.ID && (s.Key() == o.Key() || s.Protocol == "") })
		switch {
		case i < 0 && !c.torn:
			continue
		case i < 0:
			c.Services = append(c.Services, o)
		case c.Services[i].Disabled || c.Services[i].Startable():
			continue
		default:
			c.Services[i] = o
		}
		kept = append(kept, o)
	}
	return kept
}

// equal reports whether two services are the same but for where they stand.
func (s *Service) equal(o *Service) bool {
	return reflect.DeepEqual(s.bare(), o.bare()) &&
		sameWords(s.Access.Only, o.Access.Only) && sameWords(s.Access.No, o.Access.No)
}

// bare returns the service without places, and without what other fields were
// made of.
func (s *Service) bare() Service {
	b := *s
	b.Pos = Service{}.Pos
	b.Access = Service{}.Access
	b.DNSLists = b.DNSLists.bare()
	b.lines, b.written, b.errs, b.inherited, b.onlyFrom, b.noAccess = nil, nil, nil, nil, nil, nil
	return b
}

func sameWords(a, b *onlyfrom.List) bool {
	if a == nil || b == nil {
		return a == b
	}
	return slices.EqualFunc(a.Words(), b.Words(), func(x, y onlyfrom.Word) bool { return x.Text == y.Text })
}
