package hosts

// A clientToken is "host" or "user@host".
type clientToken struct {
	text string
	user *word // nil: anybody
	host pattern
}

func (c *compiler) clientToken(tok string) *clientToken {
	// The first byte is never the separator: "@group" has no user.
	user, host, ok := cutField(tok[1:], '@')
	if !ok {
		return &clientToken{text: tok, host: c.newPattern(tok)}
	}
	w := newWord(tok[:1] + user)
	t := &clientToken{text: tok, user: &w}
	if host != "" {
		t.host = c.newPattern(host)
	}
	return t
}

// match looks at the host first: a user is asked for only at a host that fits.
func (t *clientToken) match(s *subject, except bool) bool {
	return t.host.match(s, &s.client, except) && (t.user == nil || t.user.match(s.client.user()))
}

func (t *clientToken) String() string { return t.text }

// A daemonToken is "daemon" or "daemon@host", where daemon may be a port.
type daemonToken struct {
	text string
	word word
	port int      // instead of the word, if isPort
	host *pattern // the server; nil: anywhere

	isPort bool
}

func (c *compiler) daemonToken(tok string) *daemonToken {
	t := &daemonToken{text: tok}
	daemon, host, ok := cutField(tok[1:], '@')
	daemon = tok[:1] + daemon
	if ok {
		t.host = new(pattern)
		if host != "" {
			*t.host = c.newPattern(host)
		}
	}
	if t.port, t.isPort = portNumber(daemon); !t.isPort {
		t.word = newWord(daemon)
	}
	return t
}

func (t *daemonToken) match(s *subject, except bool) bool {
	if t.isPort {
		if port := int(s.r.Local.Port()); port == 0 || port != t.port {
			return false
		}
	} else if !t.word.match(s.daemon) {
		return false
	}
	return t.host == nil || t.host.match(s, &s.server, except)
}

func (t *daemonToken) String() string { return t.text }
