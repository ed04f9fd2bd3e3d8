package xinetd

import (
	"errors"
	"strings"

	"doorward/acl"
)

var (
	errTop        = errors.New("want service, defaults, include or includedir")
	errOneName    = errors.New("wants one name")
	errOneFile    = errors.New("wants one name of a file or directory")
	errNoName     = errors.New("takes no name")
	errOneDefault = errors.New("only one defaults entry in a file")
	errOpen       = errors.New("want { alone on the next line")
	errOpenAlone  = errors.New("the { belongs on a line of its own")
	errCloseAlone = errors.New("the } belongs on a line of its own")
	errNoClose    = errors.New("no } before the next entry or the end of the file")
	errUnknown    = errors.New("no such attribute")
	errNotDefault = errors.New("not for defaults")
	errOnlyDef    = errors.New("only for defaults")
)

// parse reads one file. Entries and mistakes gather in p.
func (p *parser) parse(name, src string) {
	r := newReader(name, src)
	hasDefaults := false
	for {
		text, ok := r.next()
		if !ok {
			break
		}
		words, pos := fields(text), r.pos()
		switch strings.ToLower(words[0]) {
		case "service":
			p.service(r, pos, words[1:])
		case "defaults":
			p.defaultsEntry(r, pos, words[1:], hasDefaults)
			hasDefaults = true
		case "include", "includedir":
			p.includeLine(pos, words)
		default:
			p.tear(pos, words[0], errTop)
		}
	}
	if r.crlf != 0 {
		p.warn(acl.Pos{File: name, Line: r.crlf}, "\r", "lines end as on DOS; xinetd takes the carriage return for a part of the value")
	}
}

// service reads an entry whose first line is at pos. A service that cannot be
// read is one with a mistake, not none: a reload must know that it is meant to
// be there.
func (p *parser) service(r *reader, pos acl.Pos, names []string) {
	e := &entry{pos: pos, defaults: len(p.defaults)}
	if len(names) > 0 {
		e.name = names[0]
	}
	p.entries = append(p.entries, e)
	switch {
	case len(names) == 0:
		e.fail(pos, "service", errOneName)
		e.unread = true
		p.config.torn = true
	case len(names) > 1 && names[1] == "{":
		e.fail(pos, "{", errOpenAlone)
		e.unread = true
		p.skip(r, e)
		return
	case len(names) > 1:
		e.fail(pos, names[1], errOneName)
	}
	if !p.brace(r, e) {
		e.unread = true
		return
	}
	p.body(r, e, p.serviceLine)
}

func (p *parser) defaultsEntry(r *reader, pos acl.Pos, names []string, again bool) {
	e := &entry{pos: pos, name: "defaults"}
	switch {
	case len(names) > 0 && names[0] == "{":
		e.fail(pos, "{", errOpenAlone)
		p.skip(r, e)
	case len(names) > 0:
		e.fail(pos, names[0], errNoName)
		fallthrough
	default:
		if p.brace(r, e) {
			p.body(r, e, p.defaultsLine)
		}
	}
	if again {
		e.fail(pos, "defaults", errOneDefault)
	}
	p.defErrs = append(p.defErrs, e.errs...)
	p.defaults = append(p.defaults, e.lines...)
}

func (e *entry) fail(pos acl.Pos, text string, err error) {
	e.errs = append(e.errs, &acl.SyntaxError{Pos: pos, Text: text, Err: err})
}

// brace wants the { of an entry. Without it the entry is skipped.
func (p *parser) brace(r *reader, e *entry) bool {
	text, ok := r.next()
	switch {
	case ok && text == "{":
		return true
	case !ok:
		e.fail(e.pos, e.name, errNoClose)
		p.config.torn = true
	case opensEntry(text):
		e.fail(r.pos(), fields(text)[0], errOpen)
		r.back()
	default:
		e.fail(r.pos(), fields(text)[0], errOpen)
		if text != "}" {
			p.skip(r, e)
		}
	}
	return false
}

// body reads up to the } of an entry and has f take each line. A line that
// begins another entry ends this one, which is then a mistake.
func (p *parser) body(r *reader, e *entry, f func(*entry, *line)) {
	for {
		text, ok := r.next()
		switch {
		case !ok:
			e.fail(e.pos, e.name, errNoClose)
			e.unread = true
			p.config.torn = true
			return
		case text == "}":
			return
		case opensEntry(text):
			e.fail(r.pos(), fields(text)[0], errNoClose)
			e.unread = true
			r.back()
			return
		case text[0] == '}':
			e.fail(r.pos(), text, errCloseAlone)
			e.unread = true
			return
		case control(text):
			e.fail(r.pos(), text, errControl)
			continue
		}
		l, err := assignment(r.pos(), text)
		if err != nil {
			e.errs = append(e.errs, err)
			continue
		}
		f(e, l)
		if e.disabled {
			p.skip(r, e)
			return
		}
	}
}

// skip reads on to the } of an entry, whatever is before it.
func (p *parser) skip(r *reader, e *entry) {
	for {
		switch text, ok := r.next(); {
		case !ok:
			e.fail(e.pos, e.name, errNoClose)
			p.config.torn = true
			return
		case text == "}":
			return
		}
	}
}

// opensEntry reports whether a line can only be the first of an entry: an
// attribute would have an operator.
func opensEntry(text string) bool {
	words := fields(text)
	keyword := strings.ToLower(words[0])
	switch keyword {
	case "service", "include", "includedir":
		return len(words) == 2 && !strings.HasPrefix(words[1], "=")
	case "defaults":
		return len(words) == 1
	}
	return false
}

// serviceLine takes one line of a service. From disable = yes on, nothing of
// the entry is looked at, as in xinetd: people park unfinished services so.
func (p *parser) serviceLine(e *entry, l *line) {
	if l.attr = attributes[l.name]; l.attr == nil {
		e.fail(l.pos, l.name, errUnknown)
		return
	}
	if l.attr.where&inService == 0 {
		e.fail(l.pos, l.name, errOnlyDef)
		return
	}
	l.check()
	e.lines = append(e.lines, l)
	if l.name == "disable" && len(l.errs) == 0 && strings.EqualFold(l.values[0], "yes") {
		e.disabled = true
	}
}

// defaultsLine takes one line of a defaults entry, where = adds.
func (p *parser) defaultsLine(e *entry, l *line) {
	if l.attr = attributes[l.name]; l.attr == nil {
		e.fail(l.pos, l.name, errUnknown)
		return
	}
	if l.attr.where&inDefaults == 0 {
		e.fail(l.pos, l.name, errNotDefault)
		return
	}
	l.check()
	if l.attr.ops&add != 0 && l.op == set {
		l.op = add
	}
	e.lines = append(e.lines, l)
}
