package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"doorward/acl"
	"doorward/acl/hosts"
	"doorward/acl/tcprules"
	"doorward/cmd/internal/question"
	"doorward/launcher/lookup"
	"doorward/launcher/rules"
	"doorward/launcher/ucspi"
	"doorward/launcher/xinetd"
)

// An explanation is a decision and how it came about. The names of its fields
// in JSON are documented in doorward(8).
type explanation struct {
	Daemon  string      `json:"daemon"`
	Client  string      `json:"client"`
	Steps   []explained `json:"steps"`
	Facts   []fact      `json:"facts"`
	Verdict string      `json:"verdict"`
	Rule    string      `json:"rule"`
	Options []string    `json:"options"`
	Notes   []string    `json:"notes"`
	Env     []string    `json:"env"`
}

// explained is one rule or policy that was looked at.
type explained struct {
	Rule    string `json:"rule"`
	Matched bool   `json:"matched"`
	Why     string `json:"why"`
}

// A fact is something that had to be found out.
type fact struct {
	Kind    string  `json:"kind"`
	Answer  string  `json:"answer"`
	Seconds float64 `json:"seconds"`
}

// An explainer works through the policies of one daemon or service.
type explainer struct {
	allow, deny string
	service     *xinetd.Service // nil: the tables alone
	explanation
	sum acl.Decision
}

func explainCommand(args []string, out io.Writer) error {
	f := flag.NewFlagSet("explain", flag.ContinueOnError)
	f.Usage = func() {
		fmt.Fprintln(f.Output(), "usage: doorward explain [flags] daemon[@server] [user@]client\n\nSays what becomes of a client, and why. See doorward(8).")
		f.PrintDefaults()
	}
	var e explainer
	f.StringVar(&e.allow, "hosts-allow", "/etc/hosts.allow", "table of hosts_access(5): `file`")
	f.StringVar(&e.deny, "hosts-deny", "/etc/hosts.deny", "table of hosts_access(5): `file`")
	config := f.String("config", "", "services, in the syntax of xinetd.conf(5): `file`")
	asJSON := f.Bool("json", false, "print JSON, an object for each address of the client")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil || f.NArg() != 2 {
		f.Usage()
		return badUsage
	}
	q := question.Parse(f.Arg(0), f.Arg(1))
	if err := e.find(*config, &q); err != nil {
		return err
	}
	return e.answer(q, out, *asJSON)
}

// find looks for the service that the daemon of the question may be the id of.
func (e *explainer) find(config string, q *question.Question) error {
	if config == "" {
		return nil
	}
	c, err := xinetd.Load(config, host())
	if c == nil {
		return err
	}
	for _, s := range c.Services {
		if s.ID != q.Daemon {
			continue
		}
		if !s.Startable() {
			return fmt.Errorf("%v: %s is not served: %w", s.Pos, s.ID, errors.Join(s.Err(), disabled(s)))
		}
		e.service, q.Daemon = s, s.Daemon
		return nil
	}
	return nil
}

func disabled(s *xinetd.Service) error {
	if s.Disabled {
		return errors.New("it is disabled")
	}
	return nil
}

// answer explains for each address of the client.
func (e *explainer) answer(q question.Question, out io.Writer, asJSON bool) error {
	ctx := context.Background()
	servers, err := question.Hosts(ctx, q.Server)
	if err != nil {
		return fmt.Errorf("%s: %w", q.Server, err)
	}
	clients, err := question.Hosts(ctx, q.Client)
	if err != nil {
		return fmt.Errorf("%s: %w", q.Client, err)
	}
	for _, client := range clients {
		one := explainer{allow: e.allow, deny: e.deny, service: e.service}
		if err := one.explain(one.request(ctx, q, servers[0], client)); err != nil {
			return err
		}
		if asJSON {
			err = json.NewEncoder(out).Encode(one.explanation)
		} else {
			err = one.print(out)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// request is the connection asked about: names are looked up as for a real
// one, and the user is the one given.
func (e *explainer) request(ctx context.Context, q question.Question, server, client question.Host) *acl.Request {
	r := &acl.Request{Daemon: q.Daemon, PID: os.Getpid(), Mapped: client.Mapped,
		Remote: netip.AddrPortFrom(client.Addr, 0), Local: netip.AddrPortFrom(server.Addr, 0)}
	if e.service != nil {
		r.Local = netip.AddrPortFrom(server.Addr, e.service.Port)
	}
	finders := lookup.Wrappers{}.Finders()
	finders[acl.Ident] = func(context.Context, *acl.Request, string) acl.Answer {
		return question.Host{Name: q.User}.Answer()
	}
	if !client.Addr.IsValid() {
		finders[acl.Name] = func(context.Context, *acl.Request, string) acl.Answer { return client.Answer() }
	}
	finders.Traced(func(f acl.Fact, a acl.Answer, took time.Duration) {
		e.Facts = append(e.Facts, fact{kinds[f.Kind], answerText(a), took.Seconds()})
	}).Attach(ctx, r, decideTimeout)
	return r
}

var kinds = map[acl.Kind]string{acl.Name: "name", acl.LocalName: "localname", acl.Ident: "ident", acl.Netgroup: "netgroup", acl.Listed: "listed"}

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

// explain asks every policy in turn, as acl.All does.
func (e *explainer) explain(r *acl.Request) error {
	e.Daemon, e.Client = r.Daemon, acl.ClientAddr(r)
	all := acl.All{acl.Func(e.tables)}
	if s := e.service; s != nil {
		all = acl.All{e.told("only_from, no_access", s.Access)}
		for _, word := range s.Rules {
			p, err := e.policy(word)
			if err != nil {
				return err
			}
			all = append(all, p)
		}
	}
	e.sum = all.Decide(r)
	at, err := question.Unknown(processed(e.sum.Options))
	if err != nil {
		e.sum.Verdict, e.sum.Options = acl.Deny, e.sum.Options[:at]
		e.Notes = append(e.Notes, err.Error())
	}
	return e.conclude(r)
}

func processed(options []acl.Option) []hosts.Processed {
	var ps []hosts.Processed
	for _, o := range options {
		ps = append(ps, hosts.Processed{Key: o.Key, Value: o.Value})
	}
	return ps
}

// policy is what a word of a service's rules stands for.
func (e *explainer) policy(word string) (acl.Policy, error) {
	if word == "hosts" {
		return acl.Func(e.tables), nil
	}
	var file string
	if n, _ := fmt.Sscanf(word, "tcprules:%s", &file); n != 1 {
		return nil, fmt.Errorf("%q: want hosts or tcprules:FILE", word)
	}
	src, err := rules.ReadFile(file)
	if err != nil {
		return nil, err
	}
	p, err := tcprules.Load(file, string(src))
	return e.told(word, p), err
}

// told is p with a step about it.
func (e *explainer) told(name string, p acl.Policy) acl.Policy {
	return acl.Func(func(r *acl.Request) acl.Decision {
		d := p.Decide(r)
		e.Steps = append(e.Steps, explained{d.Rule.String(), d.Verdict != acl.Pass, name + ": " + d.Verdict.String()})
		return d
	})
}

// tables asks hosts.allow and hosts.deny. What is wrong with them is noted.
func (e *explainer) tables(r *acl.Request) acl.Decision {
	allow, err1 := question.Table(e.allow)
	deny, err2 := question.Table(e.deny)
	if err := errors.Join(err1, err2); err != nil {
		e.Notes = append(e.Notes, err.Error())
	}
	trace := hosts.Access{Allow: allow, Deny: deny}.Explain(r)
	for _, s := range trace.Steps {
		e.Steps = append(e.Steps, explained{s.Rule.String(), s.Matched, s.Why})
	}
	return trace.Decision
}

// conclude fills in what was decided.
func (e *explainer) conclude(r *acl.Request) error {
	set := e.sum.Env
	if s := e.service; s != nil && table(s.RelayFrom).Contains(r.Remote.Addr()) {
		set = append([]acl.Setenv{{Name: "RELAYCLIENT", Value: s.RelayClient}}, set...)
		e.Steps = append(e.Steps, explained{s.At("relay_from").String(), true, "relay_from: RELAYCLIENT is set"})
	}
	e.Verdict, e.Rule = e.sum.Verdict.String(), e.sum.Rule.String()
	if e.sum.Verdict == acl.Pass {
		e.Verdict = acl.Allow.String()
	}
	for _, o := range e.sum.Options {
		e.Options = append(e.Options, o.Key+" "+o.Value)
	}
	for _, n := range e.sum.Notes {
		e.Notes = append(e.Notes, n.String())
	}
	if e.Verdict == acl.Deny.String() {
		return nil
	}
	var base []string
	var want []acl.Kind
	if e.service != nil {
		base, want = environ(e.service), e.service.Lookup
	}
	env, err := ucspi.Doorward.Environ(base, r, set, want...)
	e.Env = env
	return err
}

// print writes the explanation for people: what clients and their DNS have
// chosen is quoted.
func (e *explainer) print(out io.Writer) error {
	fmt.Fprintf(out, "%q from %s: %s by %s\n", e.Daemon, e.Client, e.Verdict, e.Rule)
	for _, s := range e.Steps {
		mark := "-"
		if s.Matched {
			mark = "+"
		}
		fmt.Fprintf(out, "  %s %s: %s\n", mark, s.Rule, s.Why)
	}
	for _, f := range e.Facts {
		fmt.Fprintf(out, "  asked for %s: %q in %.3fs\n", f.Kind, f.Answer, f.Seconds)
	}
	for _, l := range []struct {
		name  string
		lines []string
	}{{"option", e.Options}, {"note", e.Notes}, {"env", e.Env}} {
		for _, text := range l.lines {
			fmt.Fprintf(out, "  %s %q\n", l.name, text)
		}
	}
	return nil
}
