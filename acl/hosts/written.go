package hosts

import "doorward/acl"

// A Rule is a rule as it is written, for programs that examine or print a
// table. It is understood, not compiled: what its words mean is Parse's
// business.
type Rule struct {
	Pos  acl.Pos // of the last of its physical lines, as in a decision
	Text string  // the physical lines, joined into one

	Daemons, Clients []Word
	Options          []Option // nil if the rule has two fields only
}

// A Word is a word of a list.
type Word struct {
	Text string // the whole word, such as joe@mx.example.net
	Who  string // the daemon, or the user; empty among clients where there is none
	Host string // what follows the @, or the whole word among clients where there is none

	// Excepts counts the EXCEPTs that the word comes after, which are no words
	// themselves. An odd number of them makes it an exception.
	Excepts int
}

// An Option is a field of a rule from the third on. Neither part is expanded.
type Option struct{ Key, Value string }

// All calls yield for every rule, in order, until yield returns false. Lines
// that Parse has reported as no rules are not among them.
func (t *Rules) All(yield func(Rule) bool) {
	if t == nil {
		return
	}
	for i := range t.rules {
		if !yield(t.written(&t.rules[i])) {
			return
		}
	}
}

// text returns the logical line of ru, which is not worth keeping for those who
// only want decisions.
func (t *Rules) text(ru *rule) string {
	r := reader{src: t.src[ru.start:]}
	r.next()
	return r.text
}

func (t *Rules) written(ru *rule) Rule {
	text := t.text(ru)
	daemons, rest, _ := cutField(text, ':')
	clients, _, _ := cutField(rest, ':')
	w := Rule{Pos: t.pos(ru), Text: text, Daemons: writtenList(daemons, true), Clients: writtenList(clients, false)}
	for i := range ru.options {
		w.Options = append(w.Options, Option{ru.options[i].key, ru.options[i].value})
	}
	return w
}

func writtenList(s string, daemons bool) []Word {
	var list []Word
	excepts := 0
	words(s, func(w string, _ kinds) {
		if fold(w, "except") {
			excepts++
			return
		}
		who, host, at := cutWho(w)
		if !at && !daemons {
			who, host = "", w
		}
		list = append(list, Word{Text: w, Who: who, Host: host, Excepts: excepts})
	})
	return list
}

// cutWho cuts who@host. The first byte is never the separator: "@group" is a
// host without a user.
func cutWho(tok string) (who, host string, found bool) {
	who, host, found = cutField(tok[1:], '@')
	return tok[:1+len(who)], host, found
}
