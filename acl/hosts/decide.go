package hosts

import "doorward/acl"

// Access is a pair of tables as a policy. A nil table is an empty one; the zero
// Access passes everybody.
type Access struct{ Allow, Deny *Rules }

// Decide looks for the first rule that matches, in Allow and then in Deny, and
// carries out its options; only a rule that matches has them looked at. A
// client no rule matches passes, which to tcpd means access.
//
// Deeds are options of the decision, and so is the rule's own command of
// refusal: twist comes with the verdict the table or an earlier option gave,
// and takes the place of the daemon either way. Commands are expanded, and the
// facts they name asked for.
func (a Access) Decide(r *acl.Request) acl.Decision {
	before := r.At
	s := newSubject(r)
	d := a.decide(&s, nil)
	d.Notes = s.notes
	r.At = before
	return d
}

// decide is Decide; trace, if there is one, hears about it.
func (a Access) decide(s *subject, trace *Trace) acl.Decision {
	if ru := a.Allow.first(s, acl.Allow, trace); ru != nil {
		return a.Allow.verdict(ru, s, acl.Allow, trace)
	}
	if a.Allow != nil && a.Allow.broken != nil {
		s.notes = append(s.notes, a.Allow.ends())
	}
	if ru := a.Deny.first(s, acl.Deny, trace); ru != nil {
		return a.Deny.verdict(ru, s, acl.Deny, trace)
	}
	if a.Deny != nil && a.Deny.broken != nil {
		s.notes = append(s.notes, a.Deny.ends())
		return acl.Decision{Verdict: acl.Deny, Rule: acl.Pos{File: a.Deny.name}}
	}
	return acl.Decision{}
}

// verdict is what ru decides, now that it has matched.
func (t *Rules) verdict(ru *rule, s *subject, v acl.Verdict, trace *Trace) acl.Decision {
	d := acl.Decision{Verdict: v, Rule: t.pos(ru)}
	if len(ru.options) == 0 {
		return d
	}
	s.nobody = t.compat.nobody
	ru.carryOut(s, &d, trace.option())
	return d
}

// ends is the note about a table that ends before its text does.
func (t *Rules) ends() acl.Note {
	b := t.broken
	if b.Pos.Line == 0 && b.Text == t.name {
		return acl.Note{Text: "cannot open " + t.name + ": " + b.Err.Error()}
	}
	return acl.Note{Pos: b.Pos, Text: b.Err.Error() + "; " + errIgnored.Error()}
}

// first returns the first rule that matches, or nil. v is the verdict of the
// table's rules.
func (t *Rules) first(s *subject, v acl.Verdict, trace *Trace) *rule {
	switch {
	case t == nil:
		return nil
	case trace != nil:
		return t.traced(s, v, trace)
	case !indexable(s) || !t.indexed():
		return t.scan(s, v)
	}
	var buf [16]int32 // rules that overlap at one address are few
	c := t.index.candidates(s, buf[:0])
	for n, ok := c.next(s); ok; n, ok = c.next(s) {
		if ru := &t.rules[n]; t.matches(ru, s, v) {
			return ru
		}
	}
	return nil
}

// indexed reports whether there is an index, and makes one for the second
// question. Making it takes longer than looking at every rule once, and tcpd
// asks no second one.
func (t *Rules) indexed() bool {
	if t.compat.plain || !t.asked.Load() {
		t.asked.Store(true)
		return false
	}
	t.indexing.Do(func() { t.index = newIndex(t.rules) })
	return true
}

// scan looks at one rule after the other. It is what the index must agree with.
func (t *Rules) scan(s *subject, v acl.Verdict) *rule {
	for i := range t.rules {
		if ru := &t.rules[i]; t.matches(ru, s, v) {
			return ru
		}
	}
	return nil
}

func (t *Rules) matches(ru *rule, s *subject, v acl.Verdict) bool {
	t.enter(ru, s, v)
	return ru.daemons.match(s) && ru.clients.match(s)
}

// enter makes ru the rule that is being looked at.
func (t *Rules) enter(ru *rule, s *subject, v acl.Verdict) {
	s.r.At = t.pos(ru)
	s.denies = ru.ending == refuses || v == acl.Deny && ru.ending != allows
}
