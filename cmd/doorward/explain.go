package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strings"
	"time"

	"doorward/acl"
	"doorward/acl/hosts"
	"doorward/cmd/internal/question"
	"doorward/cmd/internal/xinetdhost"
	"doorward/launcher/journal"
	"doorward/launcher/lookup"
	"doorward/launcher/rules"
	"doorward/launcher/ucspi"
	"doorward/launcher/xinetd"
)

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
	config := f.String("config", "/etc/xinetd.conf", "services, in the syntax of xinetd.conf(5): `file`")
	asJSON := f.Bool("json", false, "print JSON, an object for each address of the client")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return badUsage
	} else if f.NArg() != 2 {
		f.Usage()
		return badUsage
	}
	given := false
	f.Visit(func(f *flag.Flag) { given = given || f.Name == "config" })
	q := question.Parse(f.Arg(0), f.Arg(1))
	if q.Client == "" {
		return fmt.Errorf("%q: no client in it", f.Arg(1))
	}
	if err := e.find(*config, given, &q); err != nil {
		return err
	}
	return e.answer(q, out, *asJSON)
}

// find looks for the service that the daemon of the question may be the id of.
// A configuration that nobody asked for need not exist.
func (e *explainer) find(config string, given bool, q *question.Question) error {
	c, err := xinetd.Load(config, xinetdhost.Host())
	switch {
	case c == nil && !given && errors.Is(err, fs.ErrNotExist):
		return nil
	case c == nil:
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
	if given {
		e.Notes = append(e.Notes, "no service of "+config+" has the id "+q.Daemon+": only the tables are asked")
	}
	return nil
}

func disabled(s *xinetd.Service) error {
	if s.Disabled {
		return errors.New("it is disabled")
	}
	return nil
}

// answer explains for each address of the client at each of the server.
func (e *explainer) answer(q question.Question, out io.Writer, asJSON bool) error {
	ctx := context.Background()
	servers, err := question.Hosts(ctx, q.Server)
	if err != nil {
		return fmt.Errorf("server %q: %w", q.Server, err)
	}
	clients, err := question.Hosts(ctx, q.Client)
	if err != nil {
		return fmt.Errorf("client %q: %w", q.Client, err)
	}
	for _, server := range servers {
		for _, client := range clients {
			if client.Addr.IsValid() && server.Addr.IsValid() && client.Addr.Is4() != server.Addr.Is4() {
				continue // no connection has such ends
			}
			if err := e.one(ctx, q, server, client, out, asJSON); err != nil {
				return err
			}
		}
	}
	return nil
}

// one explains for one address of each.
func (e *explainer) one(ctx context.Context, q question.Question, server, client question.Host, out io.Writer, asJSON bool) error {
	one := explainer{allow: e.allow, deny: e.deny, service: e.service, explanation: newExplanation()}
	one.Notes = append(one.Notes, e.Notes...)
	if q.User != acl.UnknownName {
		one.User = q.User
	}
	if err := one.explain(one.request(ctx, q, server, client)); err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(out).Encode(one.explanation)
	}
	return one.print(out)
}

// request is the connection asked about: names are looked up as for a real
// one, and the user is the one given.
func (e *explainer) request(ctx context.Context, q question.Question, server, client question.Host) *acl.Request {
	r := &acl.Request{Daemon: q.Daemon, PID: os.Getpid(), Mapped: client.Mapped,
		Remote: netip.AddrPortFrom(client.Addr, 0), Local: netip.AddrPortFrom(server.Addr, 0)}
	if e.service != nil {
		r.Local = netip.AddrPortFrom(server.Addr, e.service.Port)
	}
	finders := e.finders(q.User)
	if !client.Addr.IsValid() {
		finders[acl.Name] = func(context.Context, *acl.Request, string) acl.Answer { return client.Answer() }
	}
	total := e.decideTimeout()
	end := time.Now().Add(total)
	finders = finders.Traced(func(f acl.Fact, a acl.Answer, took time.Duration) {
		e.asked(r.At, f, a, took)
		if total > 0 && a.Text == "" && !time.Now().Before(end) {
			e.note(fmt.Sprintf("decide_timeout: %v are over: a rule sees %s as unknown", total, kinds[f.Kind]))
		}
	})
	attach(ctx, finders, total)(r)
	return r
}

// decideTimeout is how long it may take to find everything out; 0: as long as
// it takes.
func (e *explainer) decideTimeout() time.Duration {
	if e.service == nil {
		return 0
	}
	return e.service.DecideTimeout
}

// finders find facts out as serve does. There is no connection whose user an
// ident server could be asked for.
func (e *explainer) finders(user string) lookup.Finders {
	finders := lookup.Wrappers{Warn: e.note}.Finders()
	finders[acl.Ident] = func(context.Context, *acl.Request, string) acl.Answer {
		if user == acl.UnknownName {
			e.note("there is no connection to ask about its user: user@client says who it is")
		}
		return question.Host{Name: user}.Answer()
	}
	if s := e.service; s != nil && s.DNSLists.Policy() != nil {
		engine := (&dnsLists{journal: func(journal.Event) {}}).engine(&s.DNSLists)
		finders[acl.Listed] = engine.Finder(s.DNSLists.Policy())
	}
	return finders
}

func (e *explainer) note(text string) { e.Notes = append(e.Notes, text) }

// explain asks every policy in turn, as acl.All does.
func (e *explainer) explain(r *acl.Request) error {
	e.Daemon, e.Client, e.Server = r.Daemon, acl.ClientAddr(r), acl.ServerAddr(r)
	policies, err := e.policies()
	if err != nil {
		return err
	}
	e.sum = policies.Decide(r)
	at, err := question.Unknown(processed(e.sum.Options))
	if err != nil {
		e.sum.Verdict, e.sum.Options = acl.Deny, e.sum.Options[:at]
		e.note(e.sum.Rule.String() + ": " + err.Error())
	}
	return e.conclude(r)
}

// policies are those that serve would ask, each with its steps told.
func (e *explainer) policies() (acl.All, error) {
	s := e.service
	if s == nil {
		return acl.All{acl.Func(e.tables)}, nil
	}
	all := acl.All{acl.Func(e.conditions)}
	if s.Access.Only != nil || s.Access.No != nil {
		all = append(all, e.told("only_from, no_access", s.Pos, s.Access))
	}
	if s.Flags&xinetd.IDOnly != 0 {
		all = append(all, e.told("flags = IDONLY", s.At("flags"), xinetdhost.OnlyKnown(s)))
	}
	for _, word := range s.Rules {
		p, err := e.policy(word)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	if lists := s.DNSLists.Policy(); lists != nil {
		all = append(all, e.told("dnsbl, dnswl", s.At("dnsbl"), xinetdhost.UnlessTrusted(table(s.RelayFrom).Contains, lists)))
	}
	return all, nil
}

// conditions turns everybody away while the service takes nobody.
func (e *explainer) conditions(*acl.Request) acl.Decision {
	for _, open := range xinetdhost.Conditions(e.service) {
		if err := open(time.Now()); err != nil {
			e.Steps = append(e.Steps, explained{Rule: e.service.Pos.String(), Matched: true, Why: err.Error(), Asked: []string{}})
			return acl.Decision{Verdict: acl.Deny, Rule: e.service.Pos}
		}
	}
	return acl.Decision{}
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
	p, err := new(rules.Book).Policy(word)
	return e.told(word, e.service.At("rules"), p), err
}

// told is p, whose attribute is at pos, with a step about it.
func (e *explainer) told(name string, pos acl.Pos, p acl.Policy) acl.Policy {
	return acl.Func(func(r *acl.Request) acl.Decision {
		before := len(e.Facts)
		d := p.Decide(r)
		step := explained{Rule: d.Rule.String(), Matched: d.Verdict != acl.Pass, Why: name + ": " + d.Verdict.String(), Asked: []string{}}
		if d.Rule == (acl.Pos{}) {
			step.Rule = pos.String()
		}
		for i := range e.Facts[before:] {
			f := &e.Facts[before+i]
			f.Rule = step.Rule
			step.Asked = append(step.Asked, f.name())
		}
		e.Steps = append(e.Steps, step)
		return d
	})
}

// tables asks hosts.allow and hosts.deny. What is wrong with them is noted.
func (e *explainer) tables(r *acl.Request) acl.Decision {
	allow, err1 := question.Table(e.allow)
	deny, err2 := question.Table(e.deny)
	if err := errors.Join(err1, err2); err != nil {
		for text := range strings.SplitSeq(err.Error(), "\n") {
			e.note(text)
		}
	}
	trace := hosts.Access{Allow: allow, Deny: deny}.Explain(r)
	for _, s := range trace.Steps {
		step := explained{Rule: s.Rule.String(), Text: s.Text, Matched: s.Matched, Why: s.Why, Asked: []string{}}
		for _, f := range s.Asked {
			step.Asked = append(step.Asked, fact{Kind: kinds[f.Kind], Arg: f.Arg}.name())
		}
		e.Steps = append(e.Steps, step)
	}
	return trace.Decision
}

// conclude fills in what was decided.
func (e *explainer) conclude(r *acl.Request) error {
	set := e.sum.Env
	if s := e.service; s != nil && e.sum.Verdict != acl.Deny && table(s.RelayFrom).Contains(r.Remote.Addr()) {
		set = append([]acl.Setenv{{Name: "RELAYCLIENT", Value: s.RelayClient}}, set...)
		e.Steps = append(e.Steps, explained{Rule: s.At("relay_from").String(), Matched: true, Why: "relay_from: RELAYCLIENT is set", Asked: []string{}})
	}
	e.Verdict, e.Rule = e.sum.Verdict.String(), e.sum.Rule.String()
	if e.sum.Verdict == acl.Pass {
		e.Verdict = acl.Allow.String()
	}
	for _, o := range e.sum.Options {
		e.Options = append(e.Options, strings.TrimSpace(o.Key+" "+o.Value))
	}
	for _, n := range e.sum.Notes {
		e.note(n.String())
	}
	if e.Verdict == acl.Deny.String() {
		return nil
	}
	var base []string
	var want []acl.Kind
	style := ucspi.Doorward
	if e.service != nil {
		base, want, style = xinetdhost.Environ(e.service), e.service.Lookup, xinetdhost.Style(e.service)
	}
	env, err := style.Environ(base, r, set, want...)
	e.Env = append(e.Env, env...)
	return err
}
