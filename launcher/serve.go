package launcher

import (
	"os"
	"time"

	"golang.org/x/sys/unix"

	"doorward/acl"
	"doorward/launcher/journal"
	"doorward/launcher/run"
	"doorward/launcher/sock"
)

var pid = os.Getpid()

// greetingTime is how long a client may take to receive a greeting: much
// longer than it takes to travel, and no reason to wait for those who do not
// read.
const greetingTime = 10 * time.Second

// commandTime is how long a rule's command (spawn, aclexec) may hold up its
// connection. tcp_wrappers waits for ever; a place at the gate is worth more.
const commandTime = 5 * time.Minute

// bannerTime is the same for each of the banners.
const bannerTime = 10 * time.Second

// A visit is one client, and what has become of it so far.
type visit struct {
	svc      *Service
	fd       int  // the connection, or a socket lent as a whole
	lent     bool // the socket
	request  *acl.Request
	decision acl.Decision
	hand     run.Handover
	event    journal.Event

	asked acl.Request // where request points to

	ledger *ledger
	line   *session // in the ledger; nil for a socket lent as a whole

	acceptor *acceptor // who accepted the client; nil if that was somebody else
}

func newVisit(svc *Service, fd int, r *acl.Request, came time.Time) *visit {
	v := &visit{svc: svc, fd: fd, asked: *r}
	v.request = &v.asked
	v.event = journal.Event{Time: came, Service: svc.Name, Remote: r.Remote, Local: r.Local}
	v.request.PID = pid
	if svc.Attach != nil {
		svc.Attach(v.request)
	}
	return v
}

// serve sees one connection through, from the decision to the start of its
// program. It owns the connection and the session.
func (s *Server) serve(svc *Service, c sock.Conn, line *session, a *acceptor) {
	if !s.attend(svc, c, line, a) {
		line.leave()
	}
}

// attend is serve, but reports whether a program is left to run.
func (s *Server) attend(svc *Service, c sock.Conn, line *session, a *acceptor) (runs bool) {
	if svc.Proxies != nil && !line.Introduced {
		a.stepAside()
		if err := s.introduce(svc, &c, line); err != nil {
			s.ledger.begin(line) // not while it is being handed over
			c.Reset()
			s.Journal(journal.Event{Kind: journal.Refused, Time: line.Event.Time, Service: svc.Name, Remote: c.Remote, Local: c.Local, Err: err})
			return false
		}
	}
	v := newVisit(svc, c.FD, c.Request(svc.Daemon), line.Event.Time)
	v.ledger, v.line, v.acceptor = &s.ledger, line, a
	v.greet()
	switch in := v.judge(); {
	case in && svc.Handler != nil && !v.hand.Twisted:
		v.banner(svc.Banners.Success)
		s.handle(v)
	case in:
		v.banner(svc.Banners.Success)
		child, err := v.start()
		c.Close()
		return s.follow(v, child, err)
	case v.event.Err == nil && v.decision.Reply.Text != "":
		s.refuse(c, v.decision.Reply, v.event)
	default:
		v.banner(svc.Banners.Fail)
		c.Close()
		s.Journal(v.event)
	}
	return false
}

// follow leaves a program to itself, if it could be started, and keeps the
// journal. It reports whether it could.
func (s *Server) follow(v *visit, child *run.Child, err error) bool {
	e := v.event
	if err != nil {
		e.Kind, e.Err = journal.Failed, err
	}
	s.Journal(e)
	if child == nil {
		return false
	}
	v.line.watch(v.svc, child, e)
	return true
}

// greet sends what every client is sent before it is judged, once.
func (v *visit) greet() {
	if v.line != nil && v.line.Greeted || v.svc.Greeting == "" && v.svc.Banners.Always == "" {
		return
	}
	v.acceptor.stepAside()
	v.ledger.begin(v.line)
	if v.svc.Greeting != "" {
		run.Send(v.fd, v.svc.Greeting, time.Now().Add(greetingTime)) // a client that does not listen is judged all the same
	}
	v.banner(v.svc.Banners.Always)
	v.ledger.done(v.line, func(l *Session) { l.Greeted = true })
}

func (v *visit) banner(file string) {
	if file != "" {
		v.acceptor.stepAside()
	}
	v.svc.Banners.send(v.fd, file, time.Now().Add(bannerTime), &v.event)
}

// judge decides, and carries out what the rules say beside that. It reports
// whether a program is to be started.
func (v *visit) judge() bool {
	r, svc, e := v.request, v.svc, &v.event
	v.acceptor.beforeAsking(r)
	d := svc.decide(r)
	v.ledger.begin(v.line)
	v.decision = d
	e.Kind, e.Verdict, e.Rule = journal.Denied, d.Verdict, d.Rule
	e.Notes = append(e.Notes, d.Notes...)
	defer learnt(r, e)

	v.hand = run.Handover{Program: svc.Program, Conn: v.fd, Daemon: svc.Daemon, Env: svc.Env, Limit: commandTime}
	if len(d.Options) > 0 {
		v.acceptor.stepAside() // they may take their time: banners, commands
		v.hand.Expand = func(line string) (string, error) { return acl.Expand(r, line) }
	}
	e.Err = v.hand.Apply(d)
	e.Notes = append(e.Notes, notes(d.Rule, v.hand.Warnings)...)
	return e.Err == nil && (d.Verdict != acl.Deny || v.hand.Twisted)
}

// start starts the program of a client that was let in.
func (v *visit) start() (*run.Child, error) {
	e := &v.event
	defer learnt(v.request, e) // to describe a client may find more out
	client := v.request
	if v.lent {
		client = &acl.Request{} // one of many
	}
	set := v.svc.settings(client, v.decision)
	env, err := v.svc.Style.Environ(v.svc.Env, client, set, v.svc.Want...)
	if err != nil {
		return nil, err
	}
	v.svc.tune(v.fd)
	child, err := v.hand.Program.Start(v.fd, env)
	if err != nil {
		return nil, err
	}
	e.Kind, e.PID = journal.Started, child.PID
	may, oddity := relays(set)
	if e.Relay = may; may && oddity != "" {
		e.Notes = append(e.Notes, acl.Note{Pos: v.decision.Rule, Text: oddity})
	}
	if v.hand.Twisted {
		e.Kind = journal.Replaced
	}
	return child, nil
}

// tune sets socket options. A client that has gone has none to set; its
// program will find out.
func (svc *Service) tune(fd int) {
	if svc.NoDelay {
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if svc.KeepAlive {
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	}
}

func (svc *Service) decide(r *acl.Request) acl.Decision {
	if svc.Policy == nil {
		return acl.Decision{}
	}
	return svc.Policy.Decide(r)
}

// learnt puts what is known about the client, by now, into the event.
func learnt(r *acl.Request, e *journal.Event) {
	text := func(k acl.Kind) string { a, _ := r.Known(k, ""); return a.Text }
	e.Name, e.LocalName, e.User = text(acl.Name), text(acl.LocalName), text(acl.Ident)
}

// notes are warnings that came of carrying a rule out.
func notes(rule acl.Pos, warnings []error) (ns []acl.Note) {
	for _, w := range warnings {
		ns = append(ns, acl.Note{Pos: rule, Text: w.Error()})
	}
	return ns
}
