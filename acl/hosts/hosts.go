// Package hosts reads hosts.allow and hosts.deny: the access control language
// of hosts_access(5) and hosts_options(5), as libwrap 7.6 of tcp_wrappers means
// it.
//
// A rule is a list of daemons, a list of clients and, in the extended language,
// options:
//
//	smtp, imap@192.0.2.1 : 192.0.2.0/255.255.255.0, .example.net EXCEPT dial.example.net : setenv RELAYCLIENT
//
// [Access] looks at hosts.allow, then at hosts.deny; the first rule whose two
// lists match decides, and if none does the client may come in. Lists are read
// from left to right, and facts about the client are asked for only when a
// pattern comes up that needs them: patterns of digits, dots and slashes never
// cost a DNS query, a name does unless something before it matched. Because
// the %h of a command shows the name only if somebody has asked for it, when
// libwrap asks is part of the language, and this package asks when it does.
//
// # What is different by design
//
// Where libwrap lets somebody in by accident, or loses rules, we do not:
//
//   - user and group are options like others; Debian's libwrap checks their
//     names and then leaves the process as it is.
//   - aclexec is an option, and whoever carries it out refuses the client if
//     the command fails. In libwrap a failing command could grant access.
//   - A last line without a newline, and a line longer than 2047 bytes, count
//     as they are written. libwrap ignores the rest of the table, and when that
//     is hosts.deny, denies everybody.
//   - [2001:db8::]/x, whose length is no number, never lets anybody in. libwrap
//     takes it for every IPv6 address.
//   - 10.* is about addresses. libwrap lets it match a host that calls itself
//     10.evil.example, too.
//
// What looks wrong but decides nothing by accident keeps its meaning;
// [Rules.Warnings] tells about it.
package hosts

import (
	"sync"
	"sync/atomic"

	"doorward/acl"
)

// Rules are a table, hosts.allow or hosts.deny. They do not change: any number
// of goroutines may use them. A nil *Rules is an empty table.
type Rules struct {
	name     string
	src      string
	rules    []rule
	broken   *acl.SyntaxError // why the table ends before its text does; nil if it does not
	files    []string
	warnings []*Warning
	compat   compat

	asked    atomic.Bool // a question has been asked
	indexing sync.Once
	index    *index // once there has been a second one
}

// A rule is one logical line.
type rule struct {
	line    int32 // the last of its physical lines
	start   int32 // where the first of them is in src
	daemons list
	clients list
	options []option
	ending  ending
}

// compat undoes, one by one, what is different by design. Only tests of this
// package set it, to show that nothing else is.
type compat struct {
	noNewline, longLine, v6BadLen, wildNumeric bool

	nobody func(user string) bool // which names user and group do not know
	plain  bool                   // no index, no address tables: one pattern after the other
}

// Unreadable returns a table that could not be opened. As hosts.allow it
// matches nobody; as hosts.deny it denies whoever hosts.allow does not let in,
// because nobody knows what it says. A table that does not exist is an empty
// one instead: nil.
func Unreadable(name string, err error) *Rules {
	return &Rules{name: name, broken: &acl.SyntaxError{Pos: acl.Pos{File: name}, Text: name, Err: err}}
}

// Files returns the pattern files the rules refer to, in order: the tables
// change with them. Those that could not be read are included.
func (t *Rules) Files() []string {
	if t == nil {
		return nil
	}
	return t.files
}

// Len returns the number of rules.
func (t *Rules) Len() int {
	if t == nil {
		return 0
	}
	return len(t.rules)
}

func (t *Rules) pos(ru *rule) acl.Pos { return acl.Pos{File: t.name, Line: int(ru.line)} }
