// Package onlyfrom decides as xinetd's attributes only_from and no_access do
// (xinetd.conf(5)).
//
// A [List] is the value of one of the attributes, an [Access] the pair of
// them. A client is let in if only_from, where there is one, has it and
// no_access does not. The manual has the more specific of two matches win; the
// program never did so, and neither does this package: no_access wins.
//
// # Words
//
//	192.0.2.7            one address
//	192.0.2.0  10.0.0.0  rightmost zero octets stand for anything: /24, /8
//	192.0.2.{1,7}        factorised: two addresses; only at the end
//	192.0.2.0/25         a prefix; 0.0.0.0/0 and ::/0 are everybody
//	2001:db8::7          one address, here the last zeros are zeros
//	mx.example.net       the client's name, confirmed by its address
//	.example.net         every name below example.net
//
// Every other word is an error: the lists guard something, and a word that
// xinetd drops with a line in the log leaves it unguarded.
package onlyfrom

import (
	"errors"
	"net/netip"
	"strings"

	"doorward/acl"
	"doorward/acl/cidr"
)

// A Word is one word of a list and where it stands.
type Word struct {
	Text string
	Pos  acl.Pos
}

// A List is the value of only_from or no_access. It does not change. The
// empty list has nobody in it.
type List struct {
	pos      acl.Pos // of the attribute
	words    []Word
	prefixes []entry
	table    cidr.Table[int] // the same prefixes, to indexes into prefixes
	names    []host
}

// An entry is one prefix of a word; a word may have several.
type entry struct {
	prefix netip.Prefix
	word   int
}

// A host is a name in lower case; with a leading dot, every name below it.
type host struct {
	name string
	word int
}

// Parse makes a list of the words of the attribute at pos. It returns what it
// understood, and a joined *acl.SyntaxError for each word it did not: a list
// with an error in it must not be used to let anybody in.
func Parse(pos acl.Pos, words []Word) (*List, error) {
	l := &List{pos: pos, words: words}
	var errs []error
	for i, w := range words {
		if err := l.add(i, w.Text); err != nil {
			errs = append(errs, &acl.SyntaxError{Pos: w.Pos, Text: w.Text, Err: err})
		}
	}
	return l, errors.Join(errs...)
}

func (l *List) add(word int, text string) error {
	prefixes, name, err := parseWord(text)
	if err != nil {
		return err
	}
	if name != "" {
		l.names = append(l.names, host{name, word})
	}
	for _, p := range prefixes {
		if err := l.table.Insert(p, len(l.prefixes)); err != nil {
			return err
		}
		l.prefixes = append(l.prefixes, entry{p, word})
	}
	return nil
}

// Words returns the words of the list, in order.
func (l *List) Words() []Word { return l.words }

// find returns the word that has the client. A name is asked for only if no
// address matches.
func (l *List) find(r *acl.Request) (w Word, ok bool) {
	var few [8]int
	if found := l.table.Covering(few[:0], r.Remote.Addr()); len(found) > 0 {
		return l.words[l.prefixes[found[len(found)-1]].word], true
	}
	if len(l.names) == 0 {
		return Word{}, false
	}
	a := r.Get(acl.Name, "")
	if a.Status != acl.Found {
		return Word{}, false
	}
	name := strings.ToLower(strings.TrimSuffix(a.Text, "."))
	for _, h := range l.names {
		if name == h.name || h.name[0] == '.' && strings.HasSuffix(name, h.name) {
			return l.words[h.word], true
		}
	}
	return Word{}, false
}

// Access is the pair of lists of a service. A nil list is an attribute that
// was not given; the zero Access passes everybody.
type Access struct{ Only, No *List }

// Decide denies a client that only_from does not have or that no_access has,
// and one without an address if there is any list at all. It allows a client
// that only_from has; no_access alone lets nobody in, it only passes.
func (a Access) Decide(r *acl.Request) acl.Decision {
	switch {
	case a.Only == nil && a.No == nil:
		return acl.Decision{}
	case !r.Remote.Addr().IsValid():
		return acl.Decision{Verdict: acl.Deny, Rule: a.pos()}
	}
	var d acl.Decision
	if a.Only != nil {
		w, ok := a.Only.find(r)
		if !ok {
			return acl.Decision{Verdict: acl.Deny, Rule: a.Only.pos}
		}
		d = acl.Decision{Verdict: acl.Allow, Rule: w.Pos}
	}
	if a.No != nil {
		if w, ok := a.No.find(r); ok {
			return acl.Decision{Verdict: acl.Deny, Rule: w.Pos}
		}
	}
	return d
}

func (a Access) pos() acl.Pos {
	if a.Only != nil {
		return a.Only.pos
	}
	return a.No.pos
}

// Shadowed returns the words of only_from that let nobody in, because
// no_access has all of their addresses: whoever wrote them believed the
// manual, where the more specific word wins.
func (a Access) Shadowed() []Word {
	if a.Only == nil || a.No == nil {
		return nil
	}
	var words []Word
	last := -1
	for _, e := range a.Only.prefixes {
		if e.word != last && a.No.covers(e.prefix) {
			words, last = append(words, a.Only.words[e.word]), e.word
		}
	}
	return words
}

// covers reports whether some prefix of the list contains all of p.
func (l *List) covers(p netip.Prefix) bool {
	for _, i := range l.table.Covering(nil, p.Addr()) {
		if l.prefixes[i].prefix.Bits() <= p.Bits() {
			return true
		}
	}
	return false
}
