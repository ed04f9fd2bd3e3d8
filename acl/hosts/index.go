package hosts

import (
	"math"
	"net/netip"
	"slices"
	"strings"

	"doorward/acl"
	"doorward/acl/cidr"
)

// An index finds the rules of a table that could match a client, or would ask
// for something, without looking at the others. A rule it leaves out neither
// matches nor asks for a fact that is not known by then: this makes it agree
// with a scan not only in the verdict but in every look-up.
//
// Rules are sorted by daemon: those whose daemon list is plain names are under
// each of these, all others (ALL, EXCEPT, wildcards, servers) in rest, and a
// request is looked up in two sections. Within a section, what counts are the
// tokens of a client list before its first EXCEPT, since one of them must match.
type index struct {
	daemons map[string]*section
	rest    *section
}

// A section is the rules for one daemon, by number.
type section struct {
	nets     *cidr.Table[int32] // rules with a prefix around the address
	names    map[string][]int32 // rules with a name, which is lower case
	suffixes map[string][]int32 // rules with .example.net
	asking   []int32            // rules in nets and names that ask for the name unless an address matches first
	always   []int32            // rules of any other kind

	pending []netEntry // of nets, while building
}

type netEntry struct {
	net netip.Prefix
	n   int32
}

// fewNets is up to where adding prefixes one by one is faster than sorting them.
const fewNets = 64

func newIndex(rules []rule) *index {
	x := &index{daemons: make(map[string]*section), rest: new(section)}
	for n := range rules {
		ru := &rules[n]
		names, plain := plainDaemons(ru.daemons)
		if !plain {
			x.rest.add(ru, int32(n), asksServer(ru.daemons))
			continue
		}
		for _, name := range names {
			x.section(name).add(ru, int32(n), false)
		}
	}
	x.rest.build()
	for _, sec := range x.daemons {
		sec.build()
	}
	return x
}

func (x *index) section(daemon string) *section {
	sec := x.daemons[daemon]
	if sec == nil {
		sec = new(section)
		x.daemons[daemon] = sec
	}
	return sec
}

// plainDaemons returns the names in a list that is nothing but names.
func plainDaemons(l list) (names []string, plain bool) {
	if len(l) != 1 {
		return nil, false
	}
	for i := range l[0] {
		t := &l[0][i]
		if t.isPort || t.bound || t.who.op != equal {
			return nil, false
		}
		if !slices.Contains(names, t.who.text) {
			names = append(names, t.who.text)
		}
	}
	return names, true
}

// asksServer reports whether evaluating a daemon list may ask for a name.
func asksServer(l list) bool {
	for _, group := range l {
		if slices.ContainsFunc(group, func(t token) bool { return t.bound }) {
			return true
		}
	}
	return false
}

// add puts rule n where its client list belongs.
func (sec *section) add(ru *rule, n int32, always bool) {
	var e entry
	for i := range ru.clients[0] {
		e.add(&ru.clients[0][i].host)
	}
	if always || e.other {
		sec.always = append(sec.always, n)
		return
	}
	for _, net := range e.nets {
		sec.pending = append(sec.pending, netEntry{net, n})
	}
	for _, w := range e.words {
		sec.addWord(w, n)
	}
	if len(e.words) > 0 || e.asks {
		sec.asking = append(sec.asking, n)
	}
}

// addWord files n under a name or the end of one.
func (sec *section) addWord(w *word, n int32) {
	m := &sec.names
	if w.op == suffix {
		m = &sec.suffixes
	}
	if *m == nil {
		*m = make(map[string][]int32)
	}
	(*m)[w.text] = append((*m)[w.text], n)
}

// An entry is what the tokens of one rule are to be found by.
type entry struct {
	nets  []netip.Prefix
	words []*word
	asks  bool // there is a pattern that asks for the name in vain
	other bool // there is one that must be evaluated
}

func (e *entry) add(p *pattern) {
	switch p.op {
	case opNever:
	case opNet:
		e.nets = append(e.nets, p.net)
	case opSet:
		for i := range p.set.patterns {
			e.nets = append(e.nets, p.set.patterns[i].net)
		}
	case opText:
		e.addText(p)
	default:
		e.other = true
	}
}

// addText takes words that cannot match the text of an address: one of those
// has a colon or nothing but digits and dots.
func (e *entry) addText(p *pattern) {
	switch {
	case p.word.op == bracketed && p.word.addr != nil && !p.word.addr.Is4In6():
		e.nets = append(e.nets, netip.PrefixFrom(p.word.addr.WithZone(""), 128))
		e.asks = true
	case p.named && (p.word.op == equal || p.word.op == suffix) && !strings.ContainsAny(p.text, ":%"):
		e.words = append(e.words, p.word)
	default:
		e.other = true
	}
}

// build makes nets.
func (sec *section) build() {
	if len(sec.pending) == 0 {
		return
	}
	var err error
	if len(sec.pending) <= fewNets {
		sec.nets = cidr.New[int32]()
		for _, e := range sec.pending {
			err = sec.nets.Insert(e.net, e.n)
		}
	} else {
		sec.nets, err = cidr.Build(1, sec.allNets)
	}
	if err != nil {
		panic(err) // the prefixes are valid: the compiler has made them
	}
	sec.pending = nil
}

func (sec *section) allNets(yield func(netip.Prefix, int32) bool) {
	for _, e := range sec.pending {
		if !yield(e.net, e.n) {
			return
		}
	}
}

// indexable reports whether the index knows clients of this kind. It does not
// know those whose address has text of its own: none, or one with a zone.
func indexable(s *subject) bool {
	a := s.client.addr
	return a.IsValid() && !a.Is4In6() && a.Zone() == "" && !s.client.unix
}

// candidates are the numbers of rules that a request must be compared with, in
// order.
type candidates struct {
	sections [2]*section
	heads    [6][]int32 // ascending; see byNet, of both sections
	at       [6]int     // where in heads we are
	last     int32      // the number returned last
	named    bool       // the name is known, and heads has the rules for it
}

// The heads of a section.
const (
	byNet = iota
	byAlways
	byName // at first those that ask for the name, then those that it fits
	heads
)

// candidates looks the client's address up. The numbers it finds go to buf. (That
// and the s of next could be fields, but then all would live on the heap.)
func (x *index) candidates(s *subject, buf []int32) candidates {
	c := candidates{sections: [2]*section{x.daemons[s.daemon], x.rest}, last: -1}
	for i, sec := range c.sections {
		if sec == nil {
			continue
		}
		if sec.nets != nil {
			found := len(buf)
			buf = sec.nets.Covering(buf, s.client.addr)
			slices.Sort(buf[found:])
			c.heads[i*heads+byNet] = buf[found:len(buf):len(buf)]
		}
		c.heads[i*heads+byAlways], c.heads[i*heads+byName] = sec.always, sec.asking
	}
	return c
}

// next returns the number of the next rule. When a name has become known since,
// it goes on with the rules for that name instead of those that would ask.
func (c *candidates) next(s *subject) (n int32, ok bool) {
	if !c.named {
		if _, c.named = s.r.Known(acl.Name, ""); c.named {
			c.useName(s.client.name())
		}
	}
	least := int32(math.MaxInt32)
	for i, h := range c.heads {
		for c.at[i] < len(h) && h[c.at[i]] <= c.last {
			c.at[i]++
		}
		if c.at[i] < len(h) {
			least = min(least, h[c.at[i]])
		}
	}
	c.last = least
	return least, least < math.MaxInt32
}

// useName replaces the rules that ask for the name by those that it fits.
func (c *candidates) useName(name string) {
	for i, sec := range c.sections {
		if sec != nil {
			c.heads[i*heads+byName], c.at[i*heads+byName] = sec.byName(name), 0
		}
	}
}

// byName returns the rules with name or an end of it, in order.
func (sec *section) byName(name string) []int32 {
	found := slices.Clone(sec.names[name])
	for i := 1; i < len(name); i++ {
		if name[i] == '.' {
			found = append(found, sec.suffixes[name[i:]]...)
		}
	}
	slices.Sort(found)
	return found
}
