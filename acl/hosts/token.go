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

// clientToken compiles a word of a client list, which consists of these kinds of
// bytes.
func (c *compiler) clientToken(t *token, tok string, has kinds) {
	t.text = tok
	user, host, found := "", tok, false
	if has.any(at) {
		user, host, found = cutWho(tok)
	}
	if !found {
		c.hostPattern(&t.host, tok, has)
		return
	}
	t.who = c.newWord(user, kindsIn(user))
	c.lintUser(t)
	if host != "" {
		c.hostPattern(&t.host, host, kindsIn(host))
	}
}

// daemonToken compiles a word of a daemon list.
func (c *compiler) daemonToken(t *token, tok string, has kinds) {
	t.text, t.daemon = tok, true
	daemon, host := tok, ""
	if has.any(at) {
		daemon, host, t.bound = cutWho(tok)
	}
	if t.port, t.isPort = portNumber(daemon); !t.isPort {
		t.who = c.newWord(daemon, kindsIn(daemon))
	}
	c.lintDaemon(t)
	if host != "" {
		c.hostPattern(&t.host, host, kindsIn(host))
	}
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
