package hosts

import (
	"errors"
	"strconv"
	"strings"

	"doorward/acl"
)

// An option is one field of a rule from the third on, as written.
type option struct {
	key, value string
	word       *keyword // nil: there is no such option
	last       bool     // nothing comes after it
}

// A keyword is what hosts_options(5) says about an option.
type keyword struct {
	name     string
	needs    bool // a value
	optional bool // a value may be there
	expands  bool // its value, see acl.Expand
	ends     bool // must be the last option
	check    func(value string) string
}

// keywords are Debian's.
var keywords = [...]keyword{
	{name: "user", needs: true},
	{name: "group", needs: true},
	{name: "umask", needs: true, check: number("bad umask value", 8, 0, 0o777)},
	{name: "linger", needs: true, check: number("bad linger value", 10, 0, 1<<31-1)},
	{name: "keepalive"},
	{name: "spawn", needs: true, expands: true},
	{name: "twist", needs: true, expands: true, ends: true},
	{name: "rfc931", optional: true, check: number("bad rfc931 timeout", 10, 1, 1<<31-1)},
	{name: "setenv", needs: true, expands: true, check: checkSetenv},
	{name: "nice", optional: true, check: number("bad nice value", 10, -1<<31, 1<<31-1)},
	{name: "severity", needs: true, check: checkSeverity},
	{name: "allow", ends: true},
	{name: "deny", ends: true},
	{name: "banners", needs: true},
	{name: "aclexec", needs: true, expands: true},
}

func keywordOf(key string) *keyword {
	key = lower(key)
	for i := range keywords {
		if keywords[i].name == key {
			return &keywords[i]
		}
	}
	return nil
}

// newOptions cuts the options of a rule. There is always one: a rule that ends
// with a colon has an empty one, which is an error.
func (c *compiler) newOptions(s string) []option {
	for more := true; more; {
		var field string
		field, s, more = cutOption(s)
		o := c.options.add()
		o.read(field)
		o.last = !more
	}
	return c.options.take()
}

// cutOption cuts s at the first colon without a backslash before it; `\:`
// stands for a colon. A backslash means nothing special elsewhere.
func cutOption(s string) (field, rest string, more bool) {
	i := strings.IndexByte(s, ':')
	if i < 0 {
		return s, "", false
	}
	if i == 0 || s[i-1] != '\\' {
		return s[:i], s[i+1:], true
	}
	var b strings.Builder
	for i > 0 && s[i-1] == '\\' {
		b.WriteString(s[:i-1])
		b.WriteByte(':')
		s = s[i+1:]
		if i = strings.IndexByte(s, ':'); i < 0 {
			b.WriteString(s)
			return b.String(), "", false
		}
	}
	b.WriteString(s[:i])
	return b.String(), s[i+1:], true
}

// read reads "key", "key value", "key=value" and "key = value": one equals sign
// and the blanks around it separate.
func (o *option) read(field string) {
	field = trim(field)
	i := 0
	for i < len(field) && field[i] != '=' && !blank(field[i]) {
		i++
	}
	o.key, o.value = field[:i], trimLeft(field[i:])
	if after, ok := strings.CutPrefix(o.value, "="); ok {
		o.value = trimLeft(after)
	}
	o.word = keywordOf(o.key)
}

// trimLeft drops blanks as they separate words.
func trimLeft(s string) string {
	for s != "" && blank(s[0]) {
		s = s[1:]
	}
	return s
}

// trim drops what isspace(3) is true for, on both sides.
func trim(s string) string {
	for s != "" && isSpace(s[0]) {
		s = s[1:]
	}
	for s != "" && isSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// form returns what is wrong with the option before its value is looked at.
func (o *option) form() string {
	switch {
	case o.key == "":
		return "missing option name"
	case o.word == nil:
		return `bad option name: "` + o.key + `"`
	case o.value == "" && o.word.needs:
		return `option "` + o.key + `" requires value`
	case o.value != "" && !o.word.needs && !o.word.optional:
		return `option "` + o.key + `" requires no value`
	case o.word.ends && !o.last:
		return `option "` + o.key + `" must be at end`
	}
	return ""
}

// fault returns what is wrong with the option as far as can be known from its
// text: a value that is expanded is seen only then.
func (o *option) fault() string {
	if text := o.form(); text != "" || o.word.check == nil || strings.Contains(o.value, "%") && o.word.expands {
		return text
	}
	return o.word.check(o.value)
}

// number returns a check for a number from least to most. No value is fine
// where it is optional.
func number(complaint string, base, least, most int) func(string) string {
	return func(value string) string {
		if n, ok := integer(value, base); value != "" && (!ok || n < least || n > most) {
			return complaint + `: "` + value + `"`
		}
		return ""
	}
}

// checkSetenv refuses what setenv(3) does, with libwrap's words.
func checkSetenv(value string) string {
	if name, _ := cutSetenv(value); name == "" || strings.Contains(name, "=") {
		return "memory allocation failure"
	}
	return ""
}

// cutSetenv cuts "NAME value": blanks around the value do not count.
func cutSetenv(s string) (name, value string) {
	for i := range len(s) {
		if blank(s[i]) {
			return trim(s[:i]), trim(s[i:])
		}
	}
	return trim(s), ""
}

const (
	facilities = " kern user mail daemon auth lpr news uucp cron local0 local1 local2 local3 local4 local5 local6 local7 "
	severities = " emerg alert crit err warning notice info debug "
)

// checkSeverity reads [facility.]severity.
func checkSeverity(value string) string {
	facility, severity, ok := strings.Cut(value, ".")
	if !ok {
		facility, severity = "daemon", value
	}
	for _, w := range [...]struct{ list, word string }{{facilities, facility}, {severities, severity}} {
		if w.word == "" || strings.Contains(w.word, " ") || !strings.Contains(w.list, " "+lower(w.word)+" ") {
			return `bad syslog facility or severity: "` + w.word + `"`
		}
	}
	return ""
}

// An ending says what a rule's options make of its verdict.
type ending uint8

const (
	byTable ending = iota // hosts.allow lets in, hosts.deny keeps out
	allows
	refuses
)

// endingOf looks for allow, deny and mistakes, all of which decide whatever the
// table. It reports what there is to say about the options.
func (c *compiler) endingOf(os []option) ending {
	for i := range os {
		if text := os[i].fault(); text != "" {
			c.bad(strings.TrimSpace(os[i].key+" "+os[i].value), errors.New(text+"; whom the rule matches is denied"))
			return refuses // libwrap does not look further
		}
		c.lintOption(&os[i])
	}
	switch os[len(os)-1].word.name {
	case "allow":
		return allows
	case "deny":
		return refuses
	}
	return byTable
}

// A Processed is an option as libwrap reports it: its key as written and its
// value after %-expansion.
type Processed struct{ Key, Value string }

// carryOut works through the options of a rule that has matched, and gathers
// what they want in d. The first that is wrong denies, and what came before it
// stands. trace, if there is one, is told of each option.
func (ru *rule) carryOut(s *subject, d *acl.Decision, trace func(Processed)) {
	for i := range ru.options {
		o := &ru.options[i]
		value, err := o.expand(s)
		if err == nil {
			if trace != nil {
				trace(Processed{o.key, value})
			}
			err = o.apply(s, d, value)
		}
		if err != nil {
			s.note(true, err.Error())
			d.Verdict = acl.Deny
			return
		}
	}
}

// expand returns the value after expansion, or why the option is not one.
func (o *option) expand(s *subject) (string, error) {
	if text := o.form(); text != "" {
		return "", errors.New(text)
	}
	if o.value == "" || !o.word.expands {
		return o.value, nil
	}
	for _, e := range acl.UnknownEscapes(o.value) {
		s.note(false, "unrecognized "+e)
	}
	value, err := acl.Expand(s.r, o.value)
	return trim(value), err
}

// apply adds to d what the option wants.
func (o *option) apply(s *subject, d *acl.Decision, value string) error {
	if o.word.check != nil {
		if text := o.word.check(value); text != "" {
			return errors.New(text)
		}
	}
	switch o.word.name {
	case "allow":
		d.Verdict = acl.Allow
	case "deny":
		d.Verdict = acl.Deny
	case "setenv":
		name, v := cutSetenv(value)
		d.Env = append(d.Env, acl.Setenv{Name: name, Value: v})
	case "rfc931":
		askUser(s.r, value)
	case "user", "group":
		if s.nobody != nil && s.nobody(value) {
			return errors.New("unknown " + o.word.name + ": " + strconv.Quote(value))
		}
		fallthrough
	default:
		d.Options = append(d.Options, acl.Option{Key: o.word.name, Value: value, Env: len(d.Env)})
	}
	return nil
}

// askUser asks for the user name now, with a time limit of its own.
func askUser(r *acl.Request, seconds string) {
	if _, known := r.Known(acl.Ident, ""); known || r.Datagram {
		return
	}
	a := r.Get(acl.Ident, seconds)
	if seconds != "" {
		r.Learn(acl.Ident, "", a)
	}
}

func (s *subject) note(isErr bool, text string) {
	s.notes = append(s.notes, acl.Note{Pos: s.r.At, Err: isErr, Text: text})
}
