package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"doorward/acl"
)

// An explanation is a decision and how it came about. The names of its fields
// in JSON are documented in doorward(8), and do not change.
type explanation struct {
	Daemon  string      `json:"daemon"`
	Server  string      `json:"server"` // address
	Client  string      `json:"client"` // address
	User    string      `json:"user"`
	Verdict string      `json:"verdict"`
	Rule    string      `json:"rule"`
	Steps   []explained `json:"steps"`
	Facts   []fact      `json:"facts"`
	Options []string    `json:"options"`
	Notes   []string    `json:"notes"`
	Env     []string    `json:"env"`
}

// newExplanation has no nulls in JSON.
func newExplanation() explanation {
	return explanation{Steps: []explained{}, Facts: []fact{}, Options: []string{}, Notes: []string{}, Env: []string{}}
}

// explained is one rule or policy that was looked at.
type explained struct {
	Rule    string   `json:"rule"`
	Text    string   `json:"text"` // as written
	Matched bool     `json:"matched"`
	Why     string   `json:"why"`
	Asked   []string `json:"asked"` // names of facts
}

// A fact is something that had to be found out.
type fact struct {
	Kind    string  `json:"kind"`
	Arg     string  `json:"arg"`
	Answer  string  `json:"answer"`
	Seconds float64 `json:"seconds"`
	Rule    string  `json:"rule"` // for which; empty: for the environment
}

// name is what a step calls a fact.
func (f fact) name() string { return strings.TrimSpace(f.Kind + " " + f.Arg) }

var kinds = map[acl.Kind]string{acl.Name: "name", acl.LocalName: "localname", acl.Ident: "ident", acl.Netgroup: "netgroup", acl.Listed: "listed"}

// asked notes a fact that has been asked for at a rule.
func (e *explanation) asked(at acl.Pos, f acl.Fact, a acl.Answer, took time.Duration) {
	found := fact{Kind: kinds[f.Kind], Arg: f.Arg, Answer: answerText(a), Seconds: took.Seconds()}
	if at != (acl.Pos{}) {
		found.Rule = at.String()
	}
	e.Facts = append(e.Facts, found)
}

func answerText(a acl.Answer) string {
	switch a.Status {
	case acl.Found:
		return a.Text
	case acl.Absent:
		return "none"
	case acl.Forged:
		return acl.ParanoidName
	}
	return acl.UnknownName
}

// print writes the explanation for people: what clients and their DNS have
// chosen is quoted, and what files hold is made fit for a terminal.
func (e *explanation) print(out io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%q", e.Daemon)
	if e.Server != acl.UnknownName {
		fmt.Fprintf(&b, " at %s", e.Server)
	}
	b.WriteString(" from ")
	if e.User != "" {
		fmt.Fprintf(&b, "%q at ", e.User)
	}
	fmt.Fprintf(&b, "%s: %s by %s\n", e.Client, e.Verdict, e.Rule)
	printed := make([]bool, len(e.Facts))
	for _, s := range e.Steps {
		e.printStep(&b, s, printed)
	}
	for i, f := range e.Facts {
		if !printed[i] {
			b.WriteString("  " + f.text())
		}
	}
	for _, l := range []struct {
		name  string
		lines []string
	}{{"option", e.Options}, {"env", e.Env}} {
		for _, text := range l.lines {
			fmt.Fprintf(&b, "  %s %q\n", l.name, text)
		}
	}
	for _, text := range e.Notes {
		b.WriteString("  note: " + printable(text) + "\n")
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// printStep writes one step, and the facts that were asked for in it.
func (e *explanation) printStep(b *strings.Builder, s explained, printed []bool) {
	mark := "-"
	if s.Matched {
		mark = "+"
	}
	fmt.Fprintf(b, "  %s %s", mark, s.Rule)
	if s.Text != "" {
		b.WriteString(": " + printable(s.Text))
	}
	fmt.Fprintf(b, "\n      %s\n", s.Why)
	for i, f := range e.Facts {
		if !printed[i] && f.Rule == s.Rule {
			printed[i] = true
			b.WriteString("      " + f.text())
		}
	}
}

func (f fact) text() string {
	return fmt.Sprintf("asked for %s: %q, in %.3f s\n", f.name(), f.Answer, f.Seconds)
}

// printable is text without anything that a terminal could act on.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}
