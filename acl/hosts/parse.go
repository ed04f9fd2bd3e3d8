package hosts

import (
	"errors"
	"strings"

	"doorward/acl"
)

// ErrNoFile is what Parse's read returns, or wraps, for a pattern file that does
// not exist or is a directory. libwrap takes such a file for empty and says
// nothing; any other error is reported whenever the pattern is looked at.
var ErrNoFile = errors.New("no such file")

// maxErrors bounds what is kept of each kind of message about one table.
const maxErrors = 1000

// maxReserve is for how many rules room is made beforehand.
const maxReserve = 1 << 14

var (
	errNoColon = errors.New(`missing ":" separator`)
	errTable   = errors.New("table larger than 64 MiB")
	errWords   = errors.New("more than a million words")
	errIgnored = errors.New("the rest of the table is ignored")
	errMore    = errors.New("and more errors, not shown")
)

// Parse compiles src, the text of the table called name. It returns what it
// understood and the errors of all lines that mean nothing or cannot mean what
// they seem to: an errors.Join of *acl.SyntaxError. The rules decide as
// libwrap's do for the same text either way; whether one may go on with them is
// the caller's business. A table that ends early, because it or one of its
// lines is out of all proportion, matches nobody from there on as hosts.allow
// and denies everybody as hosts.deny.
//
// Pattern files are read with read, once each; see [ErrNoFile]. Time and memory
// are bounded by the size of the texts. Those are bounded to 64 MiB and a
// million words, and pattern files to 10,000 that nest no deeper than 100; the
// table ends before a rule that exceeds this.
func Parse(name, src string, read func(path string) (string, error)) (*Rules, error) {
	return parse(name, src, read, compat{})
}

func parse(name, src string, read func(path string) (string, error), legacy compat) (*Rules, error) {
	c := &compiler{table: &Rules{name: name, compat: legacy}, compat: legacy, read: read,
		pos: acl.Pos{File: name}, daemons: make(map[string]list)}
	if len(src) > maxTable {
		c.end(name, errTable)
		src = ""
	}
	t := c.table
	t.src = src
	t.rules = make([]rule, 0, min(strings.Count(src, "\n")+1, maxReserve))
	c.lines(&reader{src: src})
	t.files, t.warnings = c.order, c.warnings
	return t, errors.Join(c.errs...)
}

// A compiler turns text into rules, and keeps what is to be said about it.
type compiler struct {
	table  *Rules
	compat compat
	read   func(path string) (string, error)
	pos    acl.Pos // of the line being compiled
	joined bool    // it is more than one physical line

	files map[string]*patternFile
	order []string // of the names of files
	depth int      // of the file being read
	size  int      // of all files read
	count int      // of words, in the table and in files
	over  error    // which of the bounds on these is exceeded

	daemons map[string]list // daemon lists, by their text
	groups  slab[[]token]   // of the list being compiled
	tokens  slab[token]     // of the group being compiled
	options slab[option]    // of the rule being compiled
	words   slab[word]

	errs     []error
	warnings []*Warning
}

// bad keeps an error about a word of the current line.
func (c *compiler) bad(word string, err error) {
	switch {
	case len(c.errs) < maxErrors:
		c.errs = append(c.errs, &acl.SyntaxError{Pos: c.pos, Text: shorten(word), Err: err})
	case len(c.errs) == maxErrors:
		c.errs = append(c.errs, &acl.SyntaxError{Pos: c.pos, Text: shorten(word), Err: errMore})
	}
}

// end makes the table end here.
func (c *compiler) end(word string, err error) {
	c.bad(word, err)
	c.table.broken = &acl.SyntaxError{Pos: c.pos, Text: shorten(word), Err: err}
}

// exceed keeps an error about a bound, which ends the table at the current rule.
func (c *compiler) exceed(word string, err error) {
	c.bad(word, err)
	c.over = err
}

// counted counts a word, and reports whether there may be so many.
func (c *compiler) counted() bool {
	c.count++
	if c.count > maxWords && c.over == nil {
		c.over = errWords
	}
	return c.over == nil
}

// lines compiles the table line by line.
func (c *compiler) lines(r *reader) {
	for start := 0; r.next(); start = len(c.table.src) - len(r.src) {
		if c.stopsHere(r) {
			return
		}
		first := c.pos.Line + 1
		c.pos.Line, c.joined = r.line, r.line > first
		if r.tooLong {
			c.end(r.text, errTooLong)
			return
		}
		if r.noNewline {
			c.warn("NONL", r.text, "no newline at the end of the table: libwrap ignores the line, or denies everybody")
		}
		if r.long {
			c.warn("LONGLINE", r.text, "longer than 2047 bytes: libwrap ignores the rest of the table, or denies everybody")
		}
		if r.has.any(nul) {
			c.bad(r.text, errNUL)
		}
		c.line(r.text, r.has, start)
	}
}

// stopsHere ends the table where libwrap's ends, if a test wants that.
func (c *compiler) stopsHere(r *reader) bool {
	switch {
	case c.compat.noNewline && r.noNewline:
		c.end(r.text, errNoNewline)
	case c.compat.longLine && r.long:
		c.end(r.text, errLongLine)
	}
	return c.table.broken != nil
}

// line compiles a logical line, which starts at that byte of the table and has
// these kinds of bytes.
func (c *compiler) line(text string, has kinds, start int) {
	if has.any(hash) {
		c.lintLine(text)
	}
	if text == "" || text[0] == '#' || blank(text[0]) && strings.TrimLeft(text, " \t\r\n") == "" {
		return
	}
	daemons, rest, ok := cutField(text, ':')
	if !ok {
		c.bad(text, errNoColon)
		return
	}
	clients, options, extended := cutField(rest, ':')
	if has.any(bracket) {
		c.lintBrackets(daemons)
		c.lintBrackets(clients)
	}
	ru := rule{line: int32(c.pos.Line), start: int32(start), daemons: c.daemonList(daemons), clients: c.list(clients, false)}
	if c.over != nil {
		c.end(text, c.over) // without half a list: the rest may be behind an EXCEPT
		return
	}
	if extended {
		ru.options = c.newOptions(options)
		ru.ending = c.endingOf(ru.options)
	}
	c.lintRule(&ru, clients)
	c.table.rules = append(c.table.rules, ru)
}

// daemonList compiles a list of daemons. Most rules of a table begin with the
// same one, and share it unless there is something to say about it.
func (c *compiler) daemonList(s string) list {
	if l, ok := c.daemons[s]; ok {
		return l
	}
	said := len(c.errs) + len(c.warnings)
	l := c.list(s, true)
	if said == len(c.errs)+len(c.warnings) && len(c.errs) < maxErrors && len(c.warnings) < maxErrors {
		c.daemons[s] = l
	}
	return l
}

// shorten keeps a message about a word shorter than the word may be.
func shorten(word string) string {
	const most = 80
	if len(word) > most {
		return word[:most] + "..."
	}
	return word
}
