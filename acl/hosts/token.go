package hosts

// A token is one word of a list: "user@host" or "host" among clients,
// "daemon@host" or "daemon" among daemons.
type token struct {
	text   string
	who    *word // the daemon or the user; nil: a port, or no user
	host   pattern
	port   int32 // of a daemon, if isPort
	daemon bool  // of a daemon list
	isPort bool
	bound  bool // a daemon has a host
}

func (c *compiler) clientToken(tok string) token {
	user, host, ok := cutWho(tok)
	if !ok {
		t := token{text: tok, host: c.newPattern(tok)}
		c.lintPattern(&t.host)
		return t
	}
	t := token{text: tok, who: newWord(user)}
	if host != "" {
		t.host = c.newPattern(host)
	}
	c.lintUser(&t)
	c.lintPattern(&t.host)
	return t
}

func (c *compiler) daemonToken(tok string) token {
	daemon, host, bound := cutWho(tok)
	t := token{text: tok, daemon: true, bound: bound}
	if host != "" {
		t.host = c.newPattern(host)
	}
	if t.port, t.isPort = portNumber(daemon); !t.isPort {
		t.who = newWord(daemon)
	}
	c.lintDaemon(&t)
	return t
}

// match reports whether the token matches. Behind an odd number of EXCEPTs
// (except) a match speaks against the list, not for it.
func (t *token) match(s *subject, except bool) bool {
	if t.daemon {
		return t.matchDaemon(s) && (!t.bound || t.host.match(s, &s.server, except))
	}
	// The host comes first: a user is asked for only at a host that fits.
	return t.host.match(s, &s.client, except) && (t.who == nil || t.who.match(s.client.user()))
}

func (t *token) matchDaemon(s *subject) bool {
	if t.isPort {
		port := s.r.Local.Port()
		return port != 0 && int32(port) == t.port
	}
	return t.who.match(s.daemon)
}
