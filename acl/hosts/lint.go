package hosts

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"doorward/acl"
)

// A Warning is something in a table that means what it says, but probably not
// what was meant. It decides nothing.
type Warning struct {
	Pos  acl.Pos
	Code string // a word to look for in a manual, such as HOST-BITS
	Word string // what it is about
	Text string
}

func (w *Warning) Error() string {
	return w.Pos.String() + ": " + strconv.Quote(w.Word) + ": " + w.Text + " [" + w.Code + "]"
}

// Warnings returns what is odd about the table, in order; at most a thousand
// things. Errors of Parse are not among them.
func (t *Rules) Warnings() []*Warning {
	if t == nil {
		return nil
	}
	return t.warnings
}

func (c *compiler) warn(code, word, text string) {
	if len(c.warnings) < maxErrors {
		c.warnings = append(c.warnings, &Warning{Pos: c.pos, Code: code, Word: shorten(word), Text: text})
	}
}

// Errors of words that can never do what they seem to. libwrap says nothing
// about the first two.
var (
	errBareIPv6  = errors.New("an IPv6 address must be in [brackets]: the colon ends the list")
	errBracket   = errors.New("unbalanced bracket: it hides the colons after it")
	errBadLength = errors.New("the length is not a number: the pattern never lets anybody in")
	errNoGroup   = errors.New("no group after the @")
)

// lintLine looks at a logical line before it is taken apart.
func (c *compiler) lintLine(text string) {
	indented := text
	if text != "" && blank(text[0]) {
		indented = strings.TrimLeft(text, " \t")
	}
	switch {
	case strings.HasPrefix(text, "#") && c.joined:
		c.warn("COMMENT-CONT", text, "a comment that ends in a backslash swallows the next line")
	case indented != text && strings.HasPrefix(indented, "#"):
		c.warn("INDENTED-COMMENT", indented, "only a # at the very beginning starts a comment: this is a rule")
	case !strings.HasPrefix(text, "#") && strings.Contains(text, " #"):
		c.warn("INLINE-COMMENT", text[strings.Index(text, " #")+1:], "a # within a rule is a word like others, and so is what follows")
	}
}

// lintBrackets looks at a list: those of options do not count.
func (c *compiler) lintBrackets(list string) {
	if strings.Count(list, "[") != strings.Count(list, "]") {
		c.bad(strings.TrimSpace(list), errBracket)
	}
}

// lintRule looks at a rule as a whole.
func (c *compiler) lintRule(ru *rule, clients string) {
	if n := len(ru.daemons); len(ru.daemons[n-1]) == 0 {
		c.warn("EMPTY", clients, "daemon list is empty or ends in EXCEPT")
	}
	if n := len(ru.clients); len(ru.clients[n-1]) == 0 {
		c.warn("EMPTY", clients, "client list is empty or ends in EXCEPT")
	}
	if ru.options != nil && ru.options[0].word == nil {
		if w := lastWord(clients); looksIPv6(w, ru.options[0].key) {
			c.bad(w+":"+ru.options[0].key, errBareIPv6)
		}
	}
}

// lastWord returns the last word of a list that no blank follows.
func lastWord(list string) string {
	return list[strings.LastIndexAny(list, " \t\r\n,")+1:]
}

// looksIPv6 reports whether word:next began as an IPv6 address.
func looksIPv6(word, next string) bool {
	hex := func(s string) bool { return len(s) <= 4 && strings.Trim(lower(s), "0123456789abcdef") == "" }
	return word != "" && hex(word) && (next == "" || hex(next) || hex(strings.SplitN(next, "/", 2)[0]))
}

// lintOption looks at an option without a fault.
func (c *compiler) lintOption(o *option) {
	if o.word.expands {
		for _, e := range acl.UnknownEscapes(o.value) {
			c.warn("ESCAPE", e, "no such %-sequence: it expands to nothing")
		}
	}
	if o.word.name == "setenv" {
		c.lintSetenv(o)
	}
}

// lintSetenv looks for a value meant to switch off what any value switches on.
func (c *compiler) lintSetenv(o *option) {
	if name, value := cutSetenv(o.value); name == "RELAYCLIENT" && foldAny(value, "no", "0", "false", "off") {
		c.warn("RELAYCLIENT", o.value, "whoever has RELAYCLIENT in the environment may relay, whatever its value")
	}
}

func (c *compiler) lintDaemon(t *token) {
	name, _, _ := strings.Cut(t.text, "@")
	switch {
	case t.text[0] == '@':
		c.warn("DAEMON", t.text, `daemon name begins with "@": netgroups are for hosts`)
	case t.text[0] == '/':
		c.warn("DAEMON", t.text, `daemon name begins with "/": pattern files are for hosts`)
	case foldAny(t.text, "local", "known", "unknown", "paranoid", "fail"):
		c.warn("RESERVED", t.text, "daemon name may be reserved word")
	case t.text[0] == '.':
		c.warn("DAEMON", t.text, "daemon name begins with dot: it matches the ends of names")
	case strings.HasSuffix(name, "."):
		c.warn("DAEMON", t.text, "daemon name ends in dot: it matches the beginnings of names")
	}
}

func (c *compiler) lintUser(t *token) {
	user, _, _ := cutWho(t.text)
	switch {
	case user[0] == '@':
		c.warn("USER", t.text, `user name begins with "@": netgroups are for hosts`)
	case user[0] == '/':
		c.warn("USER", t.text, `user name begins with "/": pattern files are for hosts`)
	case foldAny(user, "local", "paranoid", "fail"):
		c.warn("RESERVED", t.text, "user name may be reserved word")
	case user[0] == '.':
		c.warn("USER", t.text, "user name begins with dot: it matches the ends of names")
	case strings.HasSuffix(user, "."):
		c.warn("USER", t.text, "user name ends in dot: it matches the beginnings of names")
	}
}

// lintPattern looks at a host pattern.
func (c *compiler) lintPattern(p *pattern) {
	switch {
	case p.tidy:
	case p.text == "@":
		c.bad(p.text, errNoGroup)
	case fold(p.text, "fail"):
		c.warn("RESERVED", p.text, "FAIL is no longer recognized (use EXCEPT or DENY instead)")
	case p.op == opBadLen:
		c.bad(p.text, errBadLength)
	case p.op == opText:
		c.lintText(p)
	case p.op == opNever && p.text != "" && !strings.Contains(p.text, "/"):
		c.warn("NUMBER", p.text, "matches no address as it is printed, and is no name")
	case p.byMask || p.op == opNever || p.op == opMask || p.op == opNet && p.text[0] == '[':
		c.lintMask(p)
	}
}

// lintText looks at a word that is compared with names, addresses as text or
// both.
func (c *compiler) lintText(p *pattern) {
	if p.word.op == equal {
		return
	}
	has := kindsIn(p.text)
	switch {
	case p.word.op == glob && strings.Contains(p.text, "**"):
		c.warn("DOUBLE-STAR", p.text, "at the end of a pattern, ** wants at least one more character")
	case p.word.op == glob && numericGlob(has):
		c.warn("WILD-NUMERIC", p.text, "matches addresses only; tcp_wrappers let it match names, too")
	case p.word.op == suffix && has.only(digit|dot):
		c.warn("SUFFIX-NUMERIC", p.text, "network number begins with dot: it matches the ends of addresses")
	case p.word.op == prefix:
		c.warn("NAME-PREFIX", p.text, "domain or host name ends in dot: it matches whatever begins like it")
	case p.word.op == bracketed && p.word.addr != nil && p.word.addr.Is4In6():
		c.warn("MAPPED-BRACKET", p.text, "clients with such addresses are IPv4 clients: it never matches")
	case p.word.op == bracketed && p.word.addr == nil:
		c.warn("BRACKET", p.text, "not an IPv6 address: it never matches")
	}
}

// lintMask looks at net/mask.
func (c *compiler) lintMask(p *pattern) {
	net, mask, ok := cutField(p.text, '/')
	switch {
	case !ok:
	case strings.HasPrefix(net, "["):
		c.lintMask6(p, net)
	default:
		c.lintMask4(p, net, mask)
	}
}

func (c *compiler) lintMask6(p *pattern, net string) {
	a := bracketAddr(net)
	switch {
	case a.Is4In6() && p.op == opNever:
		c.warn("MAPPED-BRACKET", p.text, "clients with such addresses are IPv4 clients: it never matches")
	case p.op == opNever:
		c.warn("MASK", p.text, "bad net/mask pattern: it never matches")
	case a.WithZone("") != p.net.Addr():
		c.warn("HOST-BITS", p.text, "has bits outside the prefix, which do not count: it means ["+p.net.Addr().String()+"]/"+strconv.Itoa(p.net.Bits()))
	}
}

func (c *compiler) lintMask4(p *pattern, net, mask string) {
	n, netOK := quad(net)
	m, quadOK := quad(mask)
	bits := atoi(mask)
	switch {
	case mask == "255.255.255.255":
		c.warn("MASK-ONES", p.text, "never matches: write "+net+" alone")
	case netOK && !quadOK && bits == 0:
		c.warn("V4-LEN0", p.text, "never matches: write 0.0.0.0/0.0.0.0 for every IPv4 address")
	case !netOK || !quadOK && (bits < 1 || bits > 32):
		c.warn("MASK", p.text, "bad net/mask pattern: it never matches")
	case p.op == opNever:
		if !quadOK {
			m = ^uint32(0) << (32 - bits)
		}
		c.warn("HOST-BITS", p.text, "has bits outside the mask and never matches: write "+addr4(n&m).String()+"/"+mask)
	case addr4(n).String() != net:
		c.warn("OCTAL-HEX", p.text, "numbers with a leading 0 are octal, with 0x hexadecimal: the net is "+addr4(n).String())
	case !quadOK && strconv.Itoa(bits) != mask:
		c.warn("MASK", p.text, "what follows the number does not count: it means /"+strconv.Itoa(bits))
	}
}

// lintFileLine looks at a line of a pattern file, which has these kinds of bytes.
func (c *compiler) lintFileLine(line string, has kinds) {
	if has.only(digit | dot | slash | space) {
		return
	}
	if i := strings.IndexByte(line, '#'); i >= 0 && (i == 0 || blank(line[i-1])) {
		c.warn("FILE-COMMENT", line[i:], "there are no comments in a pattern file: every word of it is a pattern")
	}
	words(line, func(w string, has kinds) {
		if fold(w, "except") {
			c.warn("FILE-EXCEPT", w, "there is no EXCEPT in a pattern file: the patterns behind it match, too")
		}
		if !has.any(slash) || has.any(bracket) {
			return
		}
		if a, err := netip.ParsePrefix(w); err == nil && a.Addr().Is6() {
			c.warn("MASK", w, "an IPv6 prefix must be in brackets: ["+a.Addr().String()+"]/"+strconv.Itoa(a.Bits()))
		}
	})
	if has.any(comma) {
		c.warn("FILE-COMMA", line, "commas do not separate in a pattern file")
	}
}
