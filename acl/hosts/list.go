package hosts

// A list is the daemons or the clients of a rule: groups of tokens with EXCEPT
// between them.
type list [][]token

// match evaluates a EXCEPT b EXCEPT c as a and not (b and not c). Within a
// group the first token that matches ends the search, so the groups that match
// one after the other are counted: an odd number of them is a match.
func (l list) match(s *subject) bool {
	n := 0
	for n < len(l) && firstMatch(l[n], s, n%2 == 1) >= 0 {
		n++
	}
	return n%2 == 1
}

// why says in words what match came to.
func (l list) why(s *subject) string {
	text := ""
	for n, group := range l {
		i := firstMatch(group, s, n%2 == 1)
		if i < 0 {
			break
		}
		if n > 0 {
			text += ", except "
		}
		text += group[i].explain(s)
	}
	return text
}

// explain names the token that has matched, which a set of them hides.
func (t *token) explain(s *subject) string {
	if t.host.op != opSet {
		return t.text
	}
	for i := range t.host.set.patterns {
		if p := &t.host.set.patterns[i]; p.match(s, &s.client, false) {
			return p.text
		}
	}
	return t.text
}

func firstMatch(group []token, s *subject, except bool) int {
	for i := range group {
		if group[i].match(s, except) {
			return i
		}
	}
	return -1
}

// list compiles a list of daemons or of clients.
func (c *compiler) list(s string, daemons bool) list {
	words(s, func(w string, has kinds) {
		switch {
		case !c.counted():
		case fold(w, "except"):
			c.endGroup()
		case daemons:
			c.daemonToken(c.tokens.add(), w, has)
		default:
			c.clientToken(c.tokens.add(), w, has)
		}
	})
	c.endGroup()
	return c.groups.take()
}

func (c *compiler) endGroup() {
	group := c.groups.add()
	if sets := c.gatherTokens(c.tokens.made()); sets != nil {
		*group = sets
		c.tokens.drop()
	} else {
		*group = c.tokens.take()
	}
}
