package tcprules

import (
	"errors"
	"strings"

	"doorward/acl"
	"doorward/acl/cdb"
)

var (
	errNoAction = errors.New("want an address, a colon and allow or deny")
	errVariable = errors.New(`after allow and deny want nothing but ,NAME="VALUE"`)
	errRange    = errors.New("want numbers on both sides of the hyphen")
)

// Parse reads the text that tcprules(1) reads. Its errors are joined
// *acl.SyntaxErrors, one for each line that could not be understood; the rules
// returned with them are those of the other lines.
//
// Where tcprules complains it says "unable to parse this line: ", followed by
// the Text of the first error. On a line without :allow or :deny it never
// ends.
func Parse(name, src string) (*Rules, error) {
	p := parser{name: name}
	p.maker.Grow(strings.Count(src, "\n")+1, len(src))
	for n := uint32(1); src != ""; n++ {
		text, rest, _ := strings.Cut(src, "\n")
		src = rest
		if text == "" || text[0] == '#' {
			continue
		}
		text = strings.TrimRight(text, " \t")
		if err := p.rule(text, n); err != nil {
			pos := acl.Pos{File: name, Line: int(n)}
			p.errs = append(p.errs, &acl.SyntaxError{Pos: pos, Text: text, Err: err})
		}
	}
	r, err := newRules(name, p.maker.Bytes())
	if err != nil {
		return nil, err
	}
	r.lines = p.lines
	return r, errors.Join(p.errs...)
}

type parser struct {
	name  string
	maker cdb.Maker
	lines []line
	errs  []error

	key, data []byte // of the rule at hand
}

// rule adds the rule of one line, if there is no error in it.
func (p *parser) rule(text string, number uint32) error {
	address, instructions, ok := cutAddress(text)
	if !ok {
		return errNoAction
	}
	var err error
	p.data, err = appendData(p.data[:0], instructions)
	if err != nil {
		return err
	}
	return p.addresses(address, number)
}

// cutAddress splits a rule at the first colon that allow or deny follows: an
// IPv6 address has others.
func cutAddress(text string) (address, instructions string, ok bool) {
	for i := range len(text) {
		if text[i] != ':' {
			continue
		}
		rest := text[i+1:]
		if strings.HasPrefix(rest, "allow") || strings.HasPrefix(rest, "deny") {
			return text[:i], rest, true
		}
	}
	return "", "", false
}

// appendData appends instructions as they are in the database: D for deny and
// +NAME=VALUE for each variable, every one ended by a zero byte.
func appendData(data []byte, instructions string) ([]byte, error) {
	rest, deny := strings.CutPrefix(instructions, "deny")
	if deny {
		data = append(data, "D\x00"...)
	} else {
		rest = strings.TrimPrefix(rest, "allow")
	}
	for rest != "" {
		name, quoted, ok := strings.Cut(rest, "=")
		if rest[0] != ',' || !ok || quoted == "" {
			return data, errVariable
		}
		value, after, ok := strings.Cut(quoted[1:], quoted[:1])
		if !ok {
			return data, errVariable
		}
		data = append(append(data, '+'), name[1:]...)
		data = append(append(data, '='), value...)
		data = append(data, 0)
		rest = after
	}
	return data, nil
}

// addresses adds the rule for an address or for each of a range.
func (p *parser) addresses(address string, number uint32) error {
	rg, ok, err := cutRange(address)
	if err != nil {
		return err
	}
	if !ok {
		p.key = append(p.key[:0], address...)
		return p.add(number)
	}
	for n := rg.from; n <= rg.to; n++ {
		p.key = rg.append(p.key[:0], n)
		if err := p.add(number); err != nil {
			return err
		}
	}
	return nil
}

// add adds the record at hand.
func (p *parser) add(number uint32) error {
	pos, err := p.maker.Add(p.key, p.data)
	if err != nil {
		return err
	}
	p.lines = append(p.lines, line{pos, number})
	return nil
}
