package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"doorward/acl"
	"doorward/acl/cidr"
	"doorward/cmd/internal/xinetdhost"
	"doorward/launcher"
	"doorward/launcher/journal"
	"doorward/launcher/lookup"
	"doorward/launcher/servicelog"
	"doorward/launcher/xinetd"
)

// reload reads rules and configuration again, and makes the doors what they
// say. What cannot be understood leaves things as they are. Forced, by a
// person, it repeats what is wrong.
func (s *superserver) reload(forced bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if forced {
		clear(s.reported)
	}
	changed, err := s.book.Reload()
	s.sayOnce("rules", err)
	if changed {
		s.say("rules reloaded")
	}
	config, err := xinetd.Load(s.config, xinetdhost.Host())
	s.sayOnce("configuration", err)
	if config == nil {
		return
	}
	s.files = append(config.Files(), config.Dirs()...)
	s.sayOnce("warnings", warnings(config))
	s.follow(config)
	s.forgetRules()
	s.lists.follow(s.running().Services)
}

func warnings(c *xinetd.Config) error {
	var errs []error
	for _, w := range c.Warnings {
		errs = append(errs, fmt.Errorf("warning: %w", w))
	}
	return errors.Join(errs...)
}

// follow opens, changes and closes doors. A service with a mistake keeps the
// door it has; one that could not be opened is tried again.
func (s *superserver) follow(config *xinetd.Config) {
	now := s.running()
	config.KeepFrom(now)
	for _, c := range xinetd.Diff(now, config) {
		if c.New == nil {
			s.shut(s.doors[c.Old.Key()])
			delete(s.doors, c.Old.Key())
			s.logs.Set(journalKey(c.Old), servicelog.Config{})
			s.say(c.String())
			continue
		}
		err := s.enter(s.doors[c.New.Key()], c.New)
		if err == nil {
			s.say(c.String())
		}
		s.sayOnce("service "+c.New.Key(), err)
	}
}

// journalKey says which service the journal and its sinks mean.
func journalKey(service *xinetd.Service) journal.Key {
	return journal.Key{Service: service.ID, Datagram: service.Protocol == "udp"}
}

// running returns the services that have a door, as a configuration.
func (s *superserver) running() *xinetd.Config {
	c := &xinetd.Config{}
	for _, key := range slices.Sorted(maps.Keys(s.doors)) {
		c.Services = append(c.Services, s.doors[key].service)
	}
	return c
}

// enter puts a new definition of a service into force: d is its door so far,
// nil if there is none.
func (s *superserver) enter(d *door, service *xinetd.Service) error {
	svc, err := s.build(service)
	if err != nil {
		return err
	}
	if d != nil && sameSockets(d.service, service) {
		otherwise := d.service.Wait != service.Wait
		if otherwise {
			d.stop()
		}
		d.set(service, svc)
		s.logs.Set(journalKey(service), s.logOf(service))
		if otherwise {
			s.accept(d)
		}
		return nil
	}
	next, err := s.open(service)
	if err != nil {
		return err
	}
	next.set(service, svc)
	s.logs.Set(journalKey(service), s.logOf(service))
	if d != nil {
		s.shut(d)
	}
	s.doors[service.Key()] = next
	s.keep(next)
	s.adopt(service.Key(), &next.port)
	s.accept(next)
	return nil
}

func (s *superserver) accept(d *door) {
	d.accept(&s.server, func(err error) {
		s.failed.Store(true)
		s.say("no longer accepts: " + err.Error())
	})
}

func (s *superserver) shut(d *door) {
	s.forget(d)
	s.passed.Listeners = append(s.passed.Listeners, d.close()...)
}

// forgetRules drops rule files that no service uses any more.
func (s *superserver) forgetRules() {
	var words []string
	for _, d := range s.doors {
		words = append(words, d.service.Rules...)
	}
	s.book.Keep(words)
}

// unclaimed is an error that names the sockets which no service wants: their
// clients would wait for ever. A socket whose service has a mistake waits for
// that to be mended.
func (s *superserver) unclaimed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, l := range s.passed.Listeners {
		errs = append(errs, fmt.Errorf("passed socket %s on %v: no service with that id or port can be started", l.Name(), l.Addr()))
	}
	return errors.Join(errs...)
}

// decideTimeout bounds how long one fact about a client may take to find out.
const decideTimeout = 30 * time.Second

// build makes a service of the launcher out of its definition.
func (s *superserver) build(service *xinetd.Service) (*launcher.Service, error) {
	policy, err := s.book.Policy(service.Rules...)
	if err != nil {
		return nil, fmt.Errorf("%v: %s is not started: %w", service.Pos, service.ID, err)
	}
	program, err := xinetdhost.Program(service)
	if err != nil {
		return nil, err
	}
	trusted := table(service.RelayFrom)
	policies, finders := s.policy(service, policy), s.finders(service.ID)
	if lists := service.DNSLists.Policy(); lists != nil {
		policies = append(policies, xinetdhost.UnlessTrusted(trusted.Contains, lists))
		finders[acl.Listed] = s.lists.engine(&service.DNSLists).Finder(lists)
	}
	return &launcher.Service{
		Name:       service.ID,
		Daemon:     service.Daemon,
		Pace:       launcher.Pace{Count: service.CPS.Rate, Break: service.CPS.Break},
		Conditions: xinetdhost.Conditions(service),
		Policy:     policies,
		Attach:     attach(context.Background(), finders, service.DecideTimeout),
		Banners: launcher.Banners{Always: service.Banner, Success: service.BannerSuccess, Fail: service.BannerFail,
			Reader: program.Cred},
		NoDelay:     service.Flags&xinetd.NoDelay != 0,
		KeepAlive:   service.Flags&xinetd.KeepAlive != 0,
		Handler:     s.handler(service),
		Program:     program,
		Env:         xinetdhost.Environ(service),
		Style:       xinetdhost.Style(service),
		Want:        service.Lookup,
		MaxSession:  service.MaxSession,
		RemoteHost:  true,
		Proxies:     proxies(service.ProxyProtocol),
		RelayFrom:   trusted,
		RelayClient: service.RelayClient,
	}, nil
}

// finders find facts out for a service as tcp_wrappers would.
func (s *superserver) finders(id string) lookup.Finders {
	return lookup.Wrappers{Warn: func(text string) {
		s.journal(journal.Event{Kind: journal.Noted, Time: time.Now(), Service: id, Text: text})
	}}.Finders()
}

// attach gives requests a network to find facts out through, each within
// decideTimeout, and all of them within total, if that is above 0.
func attach(ctx context.Context, finders lookup.Finders, total time.Duration) func(*acl.Request) {
	if total == 0 {
		return func(r *acl.Request) { finders.Attach(ctx, r, decideTimeout) }
	}
	return func(r *acl.Request) {
		end := time.Now().Add(total)
		r.Ask = func(f acl.Fact) acl.Answer {
			find := finders[f.Kind]
			if find == nil {
				return acl.Answer{}
			}
			ctx, cancel := context.WithDeadline(ctx, end)
			defer cancel()
			return find(ctx, r, f.Arg)
		}
	}
}

// proxies is table, but nil for none: then clients come themselves.
func proxies(prefixes []netip.Prefix) *cidr.Table[struct{}] {
	if len(prefixes) == 0 {
		return nil
	}
	return table(prefixes)
}

func table(prefixes []netip.Prefix) *cidr.Table[struct{}] {
	t := cidr.New[struct{}]()
	for _, p := range prefixes {
		t.Insert(p, struct{}{}) // valid and canonical: xinetd.Parse saw to it
	}
	return t
}
