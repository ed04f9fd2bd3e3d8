// Package xinetd reads xinetd.conf(5): which services there are, what is
// started for each, and who may reach it.
//
//	service smtp
//	{
//		socket_type = stream
//		wait        = no
//		user        = qmaild
//		server      = /var/qmail/bin/qmail-smtpd
//		only_from   = 192.0.2.0/24 .example.net
//		relay_from  = 192.0.2.0/28
//	}
//
// A line is a name, a blank, an operator (=, += or -=) and words. There are no
// quotes and no continued lines; a comment is a line of its own. "defaults"
// is an entry like a service: what it sets goes for every service that does
// not set it, and += and -= begin from there. "include FILE" and
// "includedir DIR" read more files, each on its own: braces do not span them.
//
// [Parse] reads a configuration to its end and checks it against a [Host]. It
// returns everything it understood and every mistake. A [Service] with a
// mistake in it says so in Err and must not be started; the others are whole.
// Where xinetd drops a line with a warning and runs on without it, the service
// has a mistake here: half of what is written in these files keeps people out.
//
// Every attribute has one row in one table, attributes.go. Those that xinetd
// does not have, such as rules, relay_from and rate, are doorward's own.
//
// The package touches nothing but what the Host lets it read.
package xinetd

import (
	"cmp"
	"errors"
	"io/fs"
	"path"
	"slices"

	"doorward/acl"
)

// An FS reads the files of a configuration by their full names, as package os
// does; Stat follows symbolic links.
type FS interface {
	ReadFile(name string) ([]byte, error)
	ReadDir(name string) ([]fs.DirEntry, error)
	Stat(name string) (fs.FileInfo, error)
}

// A Host is what a configuration is checked against. A nil function knows
// nothing.
type Host struct {
	FS FS // the files; must not be nil

	// UID is the running user, who must be root, or the user of every
	// service. GID likewise.
	UID, GID uint32

	User  func(nameOrNumber string) (User, bool)                // the user database
	Group func(nameOrNumber string) (gid uint32, ok bool)       // the group database
	Port  func(service, protocol string) (port uint16, ok bool) // services(5); see ParseServices
}

// A User is an entry of the user database.
type User struct {
	UID, GID uint32
	Groups   []uint32 // all groups of the user, GID among them
}

// A Config is what a configuration file and those it includes say.
type Config struct {
	Services []*Service         // in the order of the files, disabled ones included
	Warnings []*acl.SyntaxError // lines that may not do what their author thinks, in no order that matters

	files, dirs []string
	torn        bool // something could not be read: a service that is not here may only be out of sight
}

// Files returns the names of the files that were read or should have been, the
// first one first: when one of them changes, the configuration has.
func (c *Config) Files() []string { return c.files }

// Dirs returns the names of the directories of includedir, likewise.
func (c *Config) Dirs() []string { return c.dirs }

// Startable calls yield for every service that is neither disabled nor
// mistaken.
func (c *Config) Startable(yield func(*Service) bool) {
	for _, s := range c.Services {
		if s.Startable() && !yield(s) {
			return
		}
	}
}

// Load reads the configuration file called name. The error is Parse's, or that
// the file could not be read, and then there is no Config.
func Load(name string, h Host) (*Config, error) {
	src, err := h.FS.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return Parse(name, string(src), h)
}

// Parse reads src, the text of the configuration file called name, and all
// that it includes. The Config is never nil. The error joins a
// *acl.SyntaxError for every mistake, those of single services included.
//
// A mistake in a defaults entry is one in every service, as every service is
// built on it; xinetd does not start then.
func Parse(name, src string, h Host) (*Config, error) {
	p := &parser{host: h, config: &Config{}, open: []string{path.Clean(name)}}
	p.config.files = []string{name}
	p.parse(name, src)
	p.build()
	return p.config, p.err()
}

// A parser collects the entries of all files; then it builds services of them.
type parser struct {
	host   Host
	config *Config

	open     []string // files being read, the including before the included
	defaults []*line
	entries  []*entry
	errs     []error // mistakes outside of services
	defErrs  []error // mistakes in defaults
}

// An entry is one service as it is written.
type entry struct {
	pos      acl.Pos
	name     string
	lines    []*line
	errs     []error
	disabled bool
	unread   bool // not all of its lines were read: there is no saying what it lacks
	defaults int  // how many lines of defaults came before it: what += and -= begin from
}

func (p *parser) fail(pos acl.Pos, text string, err error) {
	p.errs = append(p.errs, &acl.SyntaxError{Pos: pos, Text: text, Err: err})
}

// tear is fail for a mistake that hides whatever is behind it.
func (p *parser) tear(pos acl.Pos, text string, err error) {
	p.config.torn = true
	p.fail(pos, text, err)
}

func (p *parser) warn(pos acl.Pos, text, why string) {
	p.config.Warnings = append(p.config.Warnings, &acl.SyntaxError{Pos: pos, Text: text, Err: errors.New(why)})
}

// err joins all mistakes in the order of the files.
func (p *parser) err() error {
	errs := slices.Concat(p.errs, p.defErrs)
	for _, s := range p.config.Services {
		errs = append(errs, s.errs...)
	}
	order := map[string]int{}
	for i, name := range p.config.files {
		order[name] = i
	}
	slices.SortStableFunc(errs, func(a, b error) int {
		x, y := a.(*acl.SyntaxError).Pos, b.(*acl.SyntaxError).Pos
		return cmp.Or(cmp.Compare(order[x.File], order[y.File]), cmp.Compare(x.Line, y.Line))
	})
	return errors.Join(errs...)
}
