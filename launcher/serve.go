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

// serve sees one connection through, from the decision to the end of its
// program. It owns the connection.
func (s *Server) serve(svc *Service, c sock.Conn, accepted time.Time) {
	e := journal.Event{Time: accepted, Service: svc.Name, Remote: c.Remote, Local: c.Local}
	child, reply, err := s.start(svc, c, &e)
	if reply.Text != "" {
		s.refuse(c, reply, e)
		return
	}
	c.Close()
	if err != nil {
		e.Kind, e.Err = journal.Failed, err
	}
	s.Journal(e)
	if child == nil {
		return
	}
	e.Status, err = child.Wait()
	e.Kind, e.Time, e.Duration, e.Err = journal.Ended, time.Now(), time.Since(accepted), err
	s.Journal(e)
}

// start has a connection judged and, if it is let in, its program started.
// Without an error and without a child, it was kept out, and is to be told so
// if there is a reply. It fills in e.
func (s *Server) start(svc *Service, c sock.Conn, e *journal.Event) (*run.Child, acl.Reply, error) {
	if svc.Greeting != "" {
		run.Send(c.FD, svc.Greeting, time.Now().Add(greetingTime)) // a client that does not listen is judged all the same
	}
	r := c.Request(svc.Daemon)
	r.PID = pid
	if svc.Attach != nil {
		svc.Attach(r)
	}
	d := svc.decide(r)
	e.Verdict, e.Rule, e.Notes = d.Verdict, d.Rule, d.Notes[:len(d.Notes):len(d.Notes)]
	defer learnt(r, e)

	h := run.Handover{Program: svc.Program, Conn: c.FD, Daemon: svc.Daemon, Env: svc.Env, Limit: commandTime}
	h.Expand = func(line string) (string, error) { return acl.Expand(r, line) }
	err := h.Apply(d)
	e.Notes = append(e.Notes, notes(d.Rule, h.Warnings)...)
	e.Kind = journal.Denied
	if err != nil {
		e.Err = err
		return nil, acl.Reply{}, nil
	}
	if d.Verdict == acl.Deny && !h.Twisted {
		return nil, d.Reply, nil
	}
	set := svc.settings(r, d)
	env, err := svc.Style.Environ(svc.Env, r, set, svc.Want...)
	if err != nil {
		return nil, acl.Reply{}, err
	}
	svc.tune(c.FD)
	child, err := h.Program.Start(c.FD, env)
	if err != nil {
		return nil, acl.Reply{}, err
	}
	e.Kind, e.PID = journal.Started, child.PID
	may, oddity := relays(set)
	if e.Relay = may; may && oddity != "" {
		e.Notes = append(e.Notes, acl.Note{Pos: d.Rule, Text: oddity})
	}
	if h.Twisted {
		e.Kind = journal.Replaced
	}
	return child, acl.Reply{}, nil
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
