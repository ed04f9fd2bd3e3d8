package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"doorward/acl"
	"doorward/acl/hosts"
	"doorward/acl/tcprules"
	"doorward/cmd/internal/question"
	"doorward/launcher/rules"
	"doorward/launcher/xinetd"
)

const (
	foundWarnings exitCode = 1
	foundErrors   exitCode = 2
)

// checkCommand looks for mistakes in every file that serve would read.
func checkCommand(args []string, out io.Writer) error {
	f := flag.NewFlagSet("check", flag.ContinueOnError)
	f.Usage = func() {
		fmt.Fprintln(f.Output(), "usage: doorward check [flags]\n\nLooks for mistakes in rules and services. See doorward(8).")
		f.PrintDefaults()
	}
	config := f.String("config", "/etc/xinetd.conf", "services, in the syntax of xinetd.conf(5): `file`")
	allow := f.String("hosts-allow", "/etc/hosts.allow", "table of hosts_access(5): `file`")
	deny := f.String("hosts-deny", "/etc/hosts.deny", "table of hosts_access(5): `file`")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil || f.NArg() > 0 {
		return badUsage
	}
	given := false
	f.Visit(func(f *flag.Flag) { given = given || f.Name == "config" })
	var c checker
	c.table(*allow)
	c.table(*deny)
	c.services(*config, given)
	return c.report(out)
}

// A finding is something wrong in a file.
type finding struct {
	pos  acl.Pos
	text string // the whole line
	err  bool
}

// A checker gathers findings.
type checker struct{ found []finding }

func (c *checker) table(name string) {
	t, err := question.Table(name)
	c.errors(err, "SYNTAX")
	for _, w := range t.Warnings() {
		c.found = append(c.found, finding{pos: w.Pos, text: w.Error()})
	}
	if t == nil {
		return
	}
	for _, file := range t.Files() {
		if _, err := os.Stat(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			c.errors(err, "FILE")
		}
	}
}

// services looks at a configuration and at the files its services name. One
// that nobody asked for need not exist.
func (c *checker) services(name string, given bool) {
	config, err := xinetd.Load(name, host())
	if config == nil && !given && errors.Is(err, fs.ErrNotExist) {
		return
	}
	c.errors(err, "SERVICE")
	if config == nil {
		return
	}
	for _, w := range config.Warnings {
		c.found = append(c.found, finding{pos: w.Pos, text: w.Error() + " [SERVICE]"})
	}
	seen := map[string]bool{}
	for _, s := range config.Services {
		for _, word := range s.Rules {
			if !seen[word] {
				c.rule(s, word)
			}
			seen[word] = true
		}
	}
}

// rule looks at what a word of a service's rules stands for.
func (c *checker) rule(s *xinetd.Service, word string) {
	kind, file, _ := strings.Cut(word, ":")
	if word == "hosts" {
		return
	}
	if kind != "tcprules" || file == "" {
		c.errors(&acl.SyntaxError{Pos: s.At("rules"), Text: word, Err: errors.New("want hosts or tcprules:FILE")}, "RULES")
		return
	}
	src, err := rules.ReadFile(file)
	if err != nil {
		c.errors(&acl.SyntaxError{Pos: s.At("rules"), Text: word, Err: err}, "RULES")
		return
	}
	_, err = tcprules.Load(file, string(src))
	c.errors(err, "TCPRULES")
}

// errors notes err, or each of the errors joined in it.
func (c *checker) errors(err error, code string) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			c.errors(err, code)
		}
		return
	}
	if err == nil {
		return
	}
	f := finding{text: err.Error() + " [" + code + "]", err: true}
	var s *acl.SyntaxError
	var w *hosts.Warning
	switch {
	case errors.As(err, &s):
		f.pos = s.Pos
	case errors.As(err, &w):
		f.pos = w.Pos
	}
	c.found = append(c.found, f)
}

// report prints what was found, sorted by file and line, a line each.
func (c *checker) report(out io.Writer) error {
	slices.SortStableFunc(c.found, func(a, b finding) int {
		return cmp.Or(cmp.Compare(a.pos.File, b.pos.File), cmp.Compare(a.pos.Line, b.pos.Line))
	})
	var worst error
	for _, f := range c.found {
		fmt.Fprintln(out, f.text)
		switch {
		case f.err:
			worst = foundErrors
		case worst == nil:
			worst = foundWarnings
		}
	}
	return worst
}
