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
	"strconv"
	"strings"

	"doorward/acl"
	"doorward/acl/hosts"
	"doorward/acl/tcprules"
	"doorward/cmd/internal/inetdconf"
	"doorward/cmd/internal/question"
	"doorward/cmd/internal/xinetdhost"
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
	inetd := f.String("inetd", "", "daemons that tcpd guards, in the syntax of inetd.conf(5): `file`")
	numeric := f.Bool("n", false, "look no names up")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return badUsage
	} else if f.NArg() > 0 {
		f.Usage()
		return badUsage
	}
	given := false
	f.Visit(func(f *flag.Flag) { given = given || f.Name == "config" })
	var c checker
	c.services(*config, given)
	c.inetd(*inetd)
	tables := []*hosts.Rules{c.table(*allow), c.table(*deny)}
	c.words(tables)
	if !*numeric {
		c.resolve(tables)
	}
	return c.report(out)
}

// A finding is something wrong in a file.
type finding struct {
	pos  acl.Pos
	text string // the whole line
	err  bool
}

// A checker gathers findings.
type checker struct {
	found   []finding
	daemons daemons
}

// warn notes something about a word.
func (c *checker) warn(pos acl.Pos, code, word, text string) {
	c.found = append(c.found, finding{pos: pos, text: pos.String() + ": " + strconv.Quote(word) + ": " + text + " [" + code + "]"})
}

// table reads a table and notes what its parser has to say.
func (c *checker) table(name string) *hosts.Rules {
	t, err := question.Table(name)
	var line *acl.SyntaxError
	if errors.As(err, &line) {
		c.errors(err, "SYNTAX")
	} else {
		c.errors(err, "FILE")
	}
	for _, w := range t.Warnings() {
		c.found = append(c.found, finding{pos: w.Pos, text: w.Error()})
	}
	return t
}

// inetd looks at an inetd.conf, if there is one to look at.
func (c *checker) inetd(name string) {
	if name == "" {
		return
	}
	src, err := rules.ReadFile(name)
	if err != nil {
		c.errors(err, "INETD")
		return
	}
	inetd, errs := inetdconf.Parse(name, string(src), os.Stat)
	for _, err := range errs {
		var s *acl.SyntaxError
		if errors.As(err, &s) {
			c.warn(s.Pos, "INETD", s.Text, s.Err.Error())
		}
	}
	c.daemons.addInetd(name, inetd)
}

// services looks at a configuration and at the files its services name. One
// that nobody asked for need not exist.
func (c *checker) services(name string, given bool) {
	config, err := xinetd.Load(name, xinetdhost.Host())
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
	c.daemons.addServices(name, config.Services)
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
	if kind != "tcprules" || file == "" {
		if _, err := new(rules.Book).Policy(word); word != "hosts" && err != nil {
			c.errors(&acl.SyntaxError{Pos: s.At("rules"), Text: word, Err: err}, "RULES")
		}
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

// report prints what was found, sorted by file and line, a line each. What was
// found twice, because both tables name a file, is printed once.
func (c *checker) report(out io.Writer) error {
	slices.SortStableFunc(c.found, func(a, b finding) int {
		return cmp.Or(cmp.Compare(a.pos.File, b.pos.File), cmp.Compare(a.pos.Line, b.pos.Line))
	})
	var worst error
	printed := map[string]bool{}
	for _, f := range c.found {
		if printed[f.text] {
			continue
		}
		printed[f.text] = true
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
