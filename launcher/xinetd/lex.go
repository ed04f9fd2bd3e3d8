package xinetd

import (
	"errors"
	"strings"

	"doorward/acl"
)

// A line is one assignment: name op values.
type line struct {
	pos    acl.Pos
	name   string // in lower case
	op     op
	values []string

	attr     *attribute
	ok       bool // the values can be set
	errs     []error
	warnings []*acl.SyntaxError
}

// An op is an assignment operator.
type op uint8

const (
	set    op = 1 << iota // =
	add                   // +=
	remove                // -=
)

func (o op) String() string {
	switch o {
	case add:
		return "+="
	case remove:
		return "-="
	case set | add:
		return "= and +="
	}
	return "="
}

var (
	errBlank    = errors.New("wants a blank before the operator")
	errOperator = errors.New("want =, += or -= after the name")
	errControl  = errors.New("a control character")
)

// fields splits a line into words. Only space and tab are blanks.
func fields(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '\t' })
}

// assignment parses NAME OP [VALUE...]. A blank must come before the operator
// and may come after it.
func assignment(pos acl.Pos, text string) (*line, error) {
	text = strings.Trim(text, " \t")
	end := strings.IndexAny(text, " \t")
	if end < 0 {
		end = len(text)
	}
	name, rest := text[:end], strings.TrimLeft(text[end:], " \t")
	l := &line{pos: pos, name: strings.ToLower(name)}
	switch {
	case strings.HasPrefix(rest, "+="):
		l.op, rest = add, rest[2:]
	case strings.HasPrefix(rest, "-="):
		l.op, rest = remove, rest[2:]
	case strings.HasPrefix(rest, "="):
		l.op, rest = set, rest[1:]
	case strings.Contains(name, "="):
		return nil, &acl.SyntaxError{Pos: pos, Text: name, Err: errBlank}
	default:
		return nil, &acl.SyntaxError{Pos: pos, Text: name, Err: errOperator}
	}
	l.values = fields(rest)
	return l, nil
}

// cutComment takes a trailing comment off the values, which xinetd takes for
// more values. Where a # may be meant, the words stay.
func (l *line) cutComment() {
	for i, v := range l.values {
		if v[0] != '#' {
			continue
		}
		if l.attr.literal {
			l.warn(v, "no comment: the program gets it as an argument")
			return
		}
		l.warn(v, "read as a comment; xinetd takes it for a value")
		l.values = l.values[:i]
		return
	}
}

func (l *line) fail(word string, err error) {
	l.errs = append(l.errs, &acl.SyntaxError{Pos: l.pos, Text: word, Err: err})
}

func (l *line) warn(word, why string) {
	l.warnings = append(l.warnings, &acl.SyntaxError{Pos: l.pos, Text: word, Err: errors.New(why)})
}

func control(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// A reader goes through the lines of a file that say something.
type reader struct {
	file  string
	lines []string
	n     int // the line that next returned last; 1 is the first
	crlf  int // the first line that ends in a carriage return
}

func newReader(file, src string) *reader {
	return &reader{file: file, lines: strings.Split(src, "\n")}
}

func (r *reader) pos() acl.Pos { return acl.Pos{File: r.file, Line: r.n} }

// next returns the next line that is neither empty nor a comment, without
// blanks around it.
func (r *reader) next() (text string, ok bool) {
	for r.n < len(r.lines) {
		text := r.lines[r.n]
		r.n++
		if cut, ok := strings.CutSuffix(text, "\r"); ok {
			text = cut
			if r.crlf == 0 {
				r.crlf = r.n
			}
		}
		if text = strings.Trim(text, " \t"); text != "" && text[0] != '#' {
			return text, true
		}
	}
	return "", false
}

// back makes next return the same line again.
func (r *reader) back() { r.n-- }
