package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"doorward/launcher"
	"doorward/launcher/journal"
	"doorward/launcher/rules"
	"doorward/launcher/run"
	"doorward/launcher/servicelog"
	"doorward/launcher/sock"
	"doorward/launcher/sock/activation"
	"doorward/launcher/sock/systemd"
)

// options are the flags of serve.
type options struct {
	config                string
	hostsAllow, hostsDeny string
	drain                 time.Duration
	log                   string
	verbose               bool
	statusSocket          string // socket that tells what goes on; empty: none
}

func serveCommand(args []string) error {
	var o options
	f := flag.NewFlagSet("serve", flag.ContinueOnError)
	f.Usage = func() {
		fmt.Fprintln(f.Output(), "usage: doorward serve [flags]\n\nAccepts connections for the services of a configuration. See doorward(8).")
		f.PrintDefaults()
	}
	f.StringVar(&o.config, "config", "/etc/xinetd.conf", "services, in the syntax of xinetd.conf(5): `file`")
	f.StringVar(&o.hostsAllow, "hosts-allow", "/etc/hosts.allow", "table of hosts_access(5): `file`")
	f.StringVar(&o.hostsDeny, "hosts-deny", "/etc/hosts.deny", "table of hosts_access(5): `file`")
	f.DurationVar(&o.drain, "drain", 5*time.Minute, "how long to wait for running sessions when stopping")
	f.StringVar(&o.log, "log", "text", "what a line about a connection looks like: text or json")
	f.StringVar(&o.statusSocket, "status", "", "tell what goes on through this socket: `file`")
	f.BoolVar(&o.verbose, "v", false, "write a line when a daemon starts, too")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return badUsage
	}
	sink, ok := sinks[o.log]
	if f.NArg() > 0 || !ok {
		f.Usage()
		return badUsage
	}
	return newSuperserver(o, sink(o.verbose)).run()
}

var sinks = map[string]func(verbose bool) journal.Sink{
	"text": func(verbose bool) journal.Sink { return journal.Text(os.Stderr, verbose) },
	"json": func(bool) journal.Sink { return journal.JSON(os.Stderr) },
}

// A superserver serves the services of a configuration and follows its
// changes.
type superserver struct {
	options
	journal journal.Sink
	counts  journal.Counts
	logs    servicelog.Logs
	sensors launcher.Sensors
	manager manager
	book    *rules.Book
	server  launcher.Server
	lists   dnsLists
	since   time.Time // when it began to serve

	mu       sync.Mutex // guards what follows: one change at a time
	passed   activation.Sockets
	kept     []*sock.Listener              // bound by an earlier doorward, for services to take
	heirs    map[string][]launcher.Session // handed over, for doors to take; nil in the first generation
	memory   map[string]launcher.Memory    // likewise
	doors    map[string]*door              // by xinetd.Service.Key
	files    []string                      // the configuration was read from
	reported map[string]string             // what was last said about each thing that can be wrong

	failed atomic.Bool // somebody stopped accepting who should not
}

func newSuperserver(o options, sink journal.Sink) *superserver {
	s := &superserver{options: o, doors: map[string]*door{}, reported: map[string]string{}}
	s.journal = journal.All(s.counts.Sink, sink, s.logs.Sink)
	s.logs.Warn = func(text string) { s.say("warning: " + text) }
	s.server.Journal = s.journal
	s.lists.journal = s.journal
	s.book = &rules.Book{HostsAllow: o.hostsAllow, HostsDeny: o.hostsDeny, Warn: func(err error) { s.say("warning: " + err.Error()) }}
	return s
}

// say writes about doorward itself, a line at a time.
func (s *superserver) say(text string) {
	for line := range strings.Lines(text) {
		s.journal(journal.Event{Kind: journal.Noted, Time: time.Now(), Service: "doorward", Text: strings.TrimSuffix(line, "\n")})
	}
}

// sayOnce is say, unless that was the last thing said about the subject: a
// mistake is told of once, not each time a neighbouring file changes.
func (s *superserver) sayOnce(subject string, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if s.reported[subject] != text {
		s.say(text)
	}
	s.reported[subject] = text
}

var signalsHeard = []os.Signal{syscall.SIGHUP, syscall.SIGUSR2, syscall.SIGTERM, syscall.SIGINT}

// run serves until a signal ends it.
func (s *superserver) run() error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, signalsHeard...)
	if err := s.start(); err != nil {
		return err
	}
	run.ReapOrphans() // not before those that were handed over have been adopted
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go s.keepAlive(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { s.watch(ctx) })
	for sig := range signals {
		if sig == syscall.SIGUSR2 {
			s.reexec()
			continue
		}
		if sig != syscall.SIGHUP {
			break
		}
		s.manager.reloading()
		s.reload(true)
		s.manager.ready(s.status())
	}
	cancel()
	watching.Wait()
	return s.drainSessions(signals)
}

// start opens all doors that can be opened, and tells the manager.
func (s *superserver) start() error {
	var err error
	if s.passed, err = systemd.Take(); err != nil {
		return err
	}
	for _, c := range s.passed.Conns {
		return fmt.Errorf("%s: passed a connection, not a socket to listen on: its unit must say Accept=no", c.Name)
	}
	if err := s.inherit(); err != nil {
		return err
	}
	again := s.heirs != nil
	s.sortKept()
	s.reload(true)
	s.dropKept()
	s.adoptRest()
	if err := s.unclaimed(); err != nil && !again { // they were not there when the first generation began
		return err
	}
	if len(s.doors) == 0 {
		return errors.New("no service to serve")
	}
	s.since = time.Now()
	if s.statusSocket != "" {
		if err := s.serveStatus(s.statusSocket); err != nil {
			s.say("no status: " + err.Error()) // the services matter more
		}
	}
	s.say(s.status())
	s.manager.ready(s.status())
	return nil
}

// watch follows the files that the services and their rules come from.
func (s *superserver) watch(ctx context.Context) {
	w := rules.Watcher{
		Files:   s.watched,
		Changed: func() { s.reload(false) },
		Warn:    func(err error) { s.say("watching files: " + err.Error()) },
	}
	w.Run(ctx)
}

func (s *superserver) watched() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append(s.book.Files(), s.files...)
}

// statusEvery is how often the manager hears how many sessions run.
const statusEvery = 5 * time.Second

// keepAlive tells the manager that all is well while it is, and how much goes
// on. A listener that has failed is not well: the manager may restart us.
func (s *superserver) keepAlive(ctx context.Context) {
	every := watchdog()
	if every == 0 || every > statusEvery {
		every = statusEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	last := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		status := s.status() // takes the lock: somebody who holds it for ever is not well either
		if status != last {
			s.manager.status(status)
			last = status
		}
		if !s.failed.Load() {
			s.manager.alive()
		}
	}
}

func (s *superserver) status() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprintf("serving %s, %s running", plural(len(s.doors), "service"), plural(s.counts.Total().Running, "session"))
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// drainSessions stops accepting, and waits for running sessions as long as it
// may. A second signal ends the wait.
func (s *superserver) drainSessions(signals <-chan os.Signal) error {
	s.mu.Lock()
	for _, d := range s.doors {
		d.close()
	}
	s.mu.Unlock()
	running := s.counts.Total().Running
	s.manager.stopping(running)
	if running > 0 {
		s.say(fmt.Sprintf("waiting for %s to end, %v at most", plural(running, "session"), s.drain))
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.drain)
	defer cancel()
	go func() { // the manager must not take patience for death
		tick := time.NewTicker(max(watchdog(), time.Second))
		defer tick.Stop()
		for range tick.C {
			s.manager.alive()
		}
	}()
	go func() { <-signals; cancel() }()
	if s.server.Wait(ctx) != nil {
		s.say(fmt.Sprintf("%s still running, left alone", plural(s.counts.Total().Running, "session")))
	}
	return nil
}
