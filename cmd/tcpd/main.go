// Command tcpd decides whether a client may have the daemon that inetd, xinetd
// or systemd starts for it, and becomes that daemon.
//
// See tcpd(8).
package main

import (
	"context"
	"os"
	"path"
	"strings"
	"time"

	"doorward/acl"
	"doorward/acl/hosts"
	"doorward/launcher/lookup"
	"doorward/launcher/run"
	"doorward/launcher/sock"
)

const (
	// realDaemons is where daemons are that inetd.conf names without a path.
	realDaemons = "/usr/sbin"

	// closeDelay is how long a client that is kept out waits for the end, so
	// that one which tries again at once does not keep the machine busy.
	closeDelay = 5 * time.Second
)

func main() {
	daemon, program, ok := target(os.Args)
	if !ok {
		os.Stderr.WriteString("usage: tcpd daemon [argument ...]\n")
		os.Exit(100)
	}
	g := guard{daemon: daemon, program: program, log: newLog(daemon)}
	g.guard()
	time.Sleep(closeDelay) // whoever gets here is not served
}

// target says which daemon is asked for, and what to run for it. inetd and
// xinetd (with flags = NAMEINARGS) put the daemon in the place of our own
// name. systemd and a shell do not: then it is the first argument, where
// tcp_wrappers' tcpd would run itself for ever.
func target(argv []string) (daemon string, p run.Program, ok bool) {
	if len(argv) > 0 && path.Base(argv[0]) == "tcpd" {
		argv = argv[1:]
	}
	if len(argv) == 0 || argv[0] == "" {
		return "", p, false
	}
	if name := argv[0]; !strings.HasPrefix(name, "/") {
		return name, run.Program{Path: realDaemons + "/" + name, Argv: argv}, true
	}
	full := argv[0]
	base := full[strings.LastIndexByte(full, '/')+1:]
	return base, run.Program{Path: full, Argv: append([]string{base}, argv[1:]...)}, true
}

// A guard stands before one daemon and one client.
type guard struct {
	daemon  string
	program run.Program
	log     log
}

// guard returns if the client is not served; it has been logged then why.
func (g *guard) guard() {
	umask := 0o022
	g.program.Umask = &umask
	sock.KeepInherited() // where the kernel cannot, the daemon gets what tcp_wrappers would have given it

	r, err := sock.FromFD(0, g.daemon)
	if err != nil {
		g.log.stranger(err)
		return
	}
	r.PID = os.Getpid()
	warn := func(text string) { g.log.note(acl.Note{Pos: r.At, Text: text}) }
	lookup.Wrappers{Warn: warn}.Finders().Attach(context.Background(), r, 0)

	allow, deny := read("/etc/hosts.allow"), read("/etc/hosts.deny")
	d := hosts.Access{Allow: allow.rules, Deny: deny.rules}.Decide(r)
	g.log.notes(allow.upTo(d.Rule), deny.upTo(d.Rule), d.Notes)
	g.act(r, d)
}

// act carries the decision out.
func (g *guard) act(r *acl.Request, d acl.Decision) {
	h := run.Handover{Program: g.program, Daemon: g.daemon, Env: os.Environ()}
	h.Expand = func(line string) (string, error) { return acl.Expand(r, line) }
	err := h.Apply(d)
	g.log.severity(h.Severity)
	for _, w := range h.Warnings {
		g.log.note(acl.Note{Pos: d.Rule, Text: w.Error()})
	}
	g.log.stopped(d.Rule, err)
	switch {
	case err != nil, d.Verdict == acl.Deny && !h.Twisted:
		g.log.refuse("refused connect from " + acl.Client(r))
		return
	case h.Twisted:
		g.log.refuse("twist " + acl.ClientName(r) + " to " + h.Program.Argv[2])
	default:
		g.log.allow("connect from " + acl.Client(r))
	}
	g.log.failed(h.Program.Path, h.Program.Exec(run.Environ(h.Env, d.Env)))
}
