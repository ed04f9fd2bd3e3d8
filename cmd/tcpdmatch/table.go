package main

import (
	"errors"
	"slices"
	"strings"

	"doorward/acl"
	"doorward/acl/hosts"
	"doorward/cmd/internal/question"
)

// A table is hosts.allow or hosts.deny, and what is wrong with it.
type table struct {
	name   string
	rules  *hosts.Rules
	faults []fault
}

// A fault is a line to be warned of by whoever reads it.
type fault struct {
	pos  acl.Pos
	text string
}

// readTable reads a table. That one cannot be read at all is left to be said in
// the decision.
func readTable(name string) *table {
	rules, err := question.Table(name)
	t := &table{name: name, rules: rules}
	options := optionsOf(rules)
	for _, s := range syntaxErrors(err) {
		if !slices.Contains(options[s.Pos], strings.TrimSuffix(s.Text, "...")) {
			t.faults = append(t.faults, fault{s.Pos, place(s.Pos) + `"` + s.Text + `": ` + s.Err.Error()})
		}
	}
	for _, w := range rules.Warnings() {
		if w.Code != "ESCAPE" && w.Code != "RELAYCLIENT" { // about options
			t.faults = append(t.faults, fault{w.Pos, place(w.Pos) + `"` + w.Word + `": ` + w.Text})
		}
	}
	slices.SortStableFunc(t.faults, func(a, b fault) int { return a.pos.Line - b.pos.Line })
	return t
}

// optionsOf returns the texts of the options of each rule. Nobody looks at the
// options of a rule that does not match, and of the one that does the decision
// tells.
func optionsOf(rules *hosts.Rules) map[acl.Pos][]string {
	options := map[acl.Pos][]string{}
	for rule := range rules.All {
		for _, o := range rule.Options {
			text := strings.TrimSpace(o.Key + " " + o.Value)
			options[rule.Pos] = append(options[rule.Pos], text[:min(len(text), 80)])
		}
	}
	return options
}

// syntaxErrors returns those of the errors joined in err that are about a line.
func syntaxErrors(err error) (all []*acl.SyntaxError) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	for _, err := range joined.Unwrap() {
		var s *acl.SyntaxError
		if errors.As(err, &s) {
			all = append(all, s)
		}
	}
	return all
}

// faultsUpTo returns the faults of the lines up to last, or of all if last is
// 0, and of the pattern files that rules there name.
func (t *table) faultsUpTo(last int) (texts []string) {
	for _, f := range t.faults {
		if last == 0 || f.pos.File == t.name && f.pos.Line <= last || f.pos.File != t.name && t.names(f.pos.File, last) {
			texts = append(texts, f.text)
		}
	}
	return texts
}

// names reports whether a rule up to line last names a pattern file.
func (t *table) names(file string, last int) bool {
	for rule := range t.rules.All {
		if rule.Pos.Line > last {
			return false
		}
		for _, w := range slices.Concat(rule.Daemons, rule.Clients) {
			if w.Host == file {
				return true
			}
		}
	}
	return false
}
