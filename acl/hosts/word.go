package hosts

import (
	"net/netip"
	"strings"
)

// A word is a pattern for one string: a daemon, a user, an address as text, a
// host name (string_match in libwrap). Case never matters.
type word struct {
	op   wordOp
	text string      // lower case
	addr *netip.Addr // bracketed; nil: matches nothing
}

type wordOp uint8

const (
	equal      wordOp = iota
	all               // ALL
	notUnknown        // KNOWN: anything but "unknown"
	prefix            // in.
	suffix            // .example.net, which must not be all of the string
	glob              // * and ?
	bracketed         // [2001:db8::1]
)

// newWord compiles a token, which is not empty and consists of these kinds of
// bytes.
func (c *compiler) newWord(tok string, has kinds) *word {
	w := c.words.add()
	w.text = lower(tok)
	switch {
	case has.any(wild):
		w.op, w.text = glob, tidyStars(w.text)
	case tok[0] == '.':
		w.op = suffix
	case w.text == "all":
		w.op = all
	case w.text == "known":
		w.op = notUnknown
	case tok[len(tok)-1] == '.':
		w.op = prefix
	case tok[0] == '[':
		w.op = bracketed
		if a := bracketAddr(tok); a.IsValid() {
			w.addr = &a
		}
	}
	return w
}

// bracketAddr returns the IPv6 address in brackets, or none.
func bracketAddr(tok string) netip.Addr {
	inner, ok := strings.CutSuffix(tok, "]")
	if !ok {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(inner[1:])
	if err != nil || !a.Is6() {
		return netip.Addr{}
	}
	return a
}

// match takes s in lower case.
func (w *word) match(s string) bool {
	switch w.op {
	case all:
		return true
	case notUnknown:
		return s != "unknown"
	case prefix:
		return strings.HasPrefix(s, w.text)
	case suffix:
		return len(s) > len(w.text) && strings.HasSuffix(s, w.text)
	case glob:
		return globMatch(w.text, s)
	case bracketed:
		return w.matchAddr(s)
	}
	return s == w.text
}

// matchAddr compares addresses as numbers, and their zones only if the pattern
// has one. IPv4 addresses do not match, in mapped form neither.
func (w *word) matchAddr(s string) bool {
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is6() || w.addr == nil {
		return false
	}
	return a.WithZone("") == w.addr.WithZone("") && (w.addr.Zone() == "" || w.addr.Zone() == a.Zone())
}

// tidyStars rewrites runs of stars. Two or more of them at the end of a pattern
// want one more byte, as in libwrap; elsewhere they are as good as one.
func tidyStars(pattern string) string {
	if !strings.Contains(pattern, "**") {
		return pattern
	}
	end := strings.HasSuffix(pattern, "**")
	var b strings.Builder
	for i := range len(pattern) {
		if pattern[i] != '*' || i == 0 || pattern[i-1] != '*' {
			b.WriteByte(pattern[i])
		}
	}
	if end {
		return strings.TrimSuffix(b.String(), "*") + "?*"
	}
	return b.String()
}

// globMatch matches * with any text and ? with one byte. It goes back to the
// last star only, so a hostile name costs len(pattern)*len(s) steps and no
// more.
func globMatch(pattern, s string) bool {
	p, i := 0, 0
	star, from := -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			from++
			p, i = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
