package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"

	"doorward/acl"
	"doorward/acl/hosts"
	"doorward/cmd/internal/question"
)

// judge decides about one client and prints the decision.
func (o *oracle) judge(q question.Question, server, client question.Host) {
	o.host("client", client)
	if q.User != acl.UnknownName {
		o.line("client:", "username "+q.User)
	}
	o.host("server", server)
	o.line("server:", "process  "+q.Daemon)
	r := request(q, server, client)
	o.learn(r, client)
	trace := hosts.Access{Allow: o.allow.rules, Deny: o.deny.rules}.Explain(r)
	o.reached(trace)
	o.matched(trace)
	o.line("access:", o.verdict(trace))
}

// request is the connection asked about. Everything about it is known already:
// the oracle asks nobody.
func request(q question.Question, server, client question.Host) *acl.Request {
	return &acl.Request{
		Daemon: q.Daemon,
		Remote: netip.AddrPortFrom(client.Addr, 0),
		Local:  netip.AddrPortFrom(server.Addr, 0),
		Mapped: client.Mapped,
		PID:    os.Getpid(),
		Ask: func(f acl.Fact) acl.Answer {
			switch f.Kind {
			case acl.Name:
				return client.Answer()
			case acl.LocalName:
				return server.Answer()
			case acl.Ident:
				return question.Host{Name: q.User}.Answer()
			case acl.Netgroup:
				return question.Netgroup(f.Arg)
			}
			return acl.Answer{}
		},
	}
}

// learn makes the name of a client known if it had to be looked up, as tcpdmatch
// has always done: %h is the name then, and not the address.
func (o *oracle) learn(r *acl.Request, client question.Host) {
	if client.Resolved {
		r.Get(acl.Name, "")
	}
}

// host prints what there is to print of one end.
func (o *oracle) host(end string, h question.Host) {
	if h.Name != "" && h.Name != acl.UnknownName {
		o.line(end+":", "hostname "+h.Name)
	}
	if h.Addr.IsValid() {
		r := &acl.Request{Remote: netip.AddrPortFrom(h.Addr, 0), Mapped: h.Mapped}
		o.line(end+":", "address  "+acl.ClientAddr(r))
	}
}

// reached prints what is wrong with the lines that were read: tcpd stops at the
// rule that matches.
func (o *oracle) reached(trace *hosts.Trace) {
	rule := trace.Decision.Rule
	for _, t := range []*table{o.allow, o.deny} {
		last := 0
		if rule.File == t.name {
			last = rule.Line
		}
		for _, text := range t.faultsUpTo(last) {
			o.warn(text)
		}
		if last > 0 {
			return
		}
	}
}

// matched prints the rule and its options, as tcpdmatch(8) promises.
func (o *oracle) matched(trace *hosts.Trace) {
	if rule := trace.Decision.Rule; rule.Line > 0 {
		o.line("matched:", fmt.Sprintf("%s line %d", rule.File, rule.Line))
	}
	at, err := question.Unknown(trace.Options)
	if err != nil {
		trace.Options = trace.Options[:at+1]
	}
	for _, option := range trace.Options {
		o.line("option:", option.Key+" "+option.Value)
		if strings.EqualFold(option.Key, "banners") {
			o.banners(trace.Decision.Rule, option.Value)
		}
	}
	if err != nil {
		trace.Decision.Verdict, trace.Decision.Options = acl.Deny, nil
		trace.Decision.Notes = append(trace.Decision.Notes, acl.Note{Pos: trace.Decision.Rule, Err: true, Text: err.Error()})
	}
	for _, n := range trace.Decision.Notes {
		if n.Err {
			o.say("error: " + place(n.Pos) + n.Text)
		} else {
			o.warn(place(n.Pos) + n.Text)
		}
	}
}

// banners warns of a directory that is not there.
func (o *oracle) banners(rule acl.Pos, dir string) {
	var err *fs.PathError
	if _, statErr := os.Stat(dir); errors.As(statErr, &err) {
		o.warn(place(rule) + dir + ": " + err.Err.Error())
	}
}

// verdict is the word for a decision. A twist takes the daemon's place,
// whatever the verdict.
func (o *oracle) verdict(trace *hosts.Trace) string {
	d := trace.Decision
	switch {
	case slices.ContainsFunc(d.Options, func(op acl.Option) bool { return op.Key == "twist" }):
		return "delegated"
	case d.Verdict == acl.Deny:
		return "denied"
	}
	return "granted"
}

// line prints a line of two columns.
func (o *oracle) line(column, text string) { o.say(fmt.Sprintf("%-9s %s", column, text)) }

// say prints a line, of which much has been typed by others.
func (o *oracle) say(text string) {
	fmt.Fprintln(o.out, strings.TrimRight(strings.Map(visible, text), " "))
}

// visible keeps control characters from the terminal.
func visible(c rune) rune {
	if c < ' ' || c == 0x7f {
		return '?'
	}
	return c
}

func (o *oracle) warn(text string) { o.say("warning: " + text) }

// warnAll prints what is wrong with a file, a line each.
func (o *oracle) warnAll(err error) {
	if err == nil {
		return
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		o.warnOne(err)
		return
	}
	for _, err := range joined.Unwrap() {
		o.warnOne(err)
	}
}

func (o *oracle) warnOne(err error) {
	var s *acl.SyntaxError
	if errors.As(err, &s) {
		o.warn(place(s.Pos) + `"` + s.Text + `": ` + s.Err.Error())
		return
	}
	o.warn(err.Error())
}

// place is where something is, in tcpd's words.
func place(p acl.Pos) string {
	switch {
	case p.File == "":
		return ""
	case p.Line == 0:
		return p.File + ": "
	}
	return fmt.Sprintf("%s, line %d: ", p.File, p.Line)
}
