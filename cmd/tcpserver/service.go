package main

import (
	"context"
	"os"
	"os/exec"
	"time"

	"doorward/acl"
	"doorward/launcher"
	"doorward/launcher/lookup"
	"doorward/launcher/run"
	"doorward/launcher/ucspi"
)

// service is what a command line asks for, in the launcher's terms.
func service(o options) *launcher.Service {
	s := &launcher.Service{
		Name:     "tcpserver",
		Policy:   policy(o),
		Attach:   attach(o),
		Greeting: o.banner,
		NoDelay:  o.noDelay,
		Program:  program(o.program),
		Env:      os.Environ(),
		Style:    style(o),
	}
	return s
}

func style(o options) ucspi.Style {
	if o.ipv6 {
		return ucspi.TCPServer6
	}
	return ucspi.TCPServer
}

// program finds the program in PATH now; if it is not there yet, the attempt
// to start it will say so for each connection.
func program(argv []string) run.Program {
	path := argv[0]
	if found, err := exec.LookPath(path); err == nil {
		path = found
	}
	return run.Program{Path: path, Argv: argv, Setsid: true}
}

// attach finds out the facts the options ask for, at once and in tcpserver's
// order: the program and the rules are to see what there is.
func attach(o options) func(*acl.Request) {
	u := lookup.UCSPI{
		DNS:      lookup.DNSCacheIP(os.LookupEnv, "/etc/resolv.conf"),
		Paranoid: o.paranoid,
		Wait:     time.Duration(o.userSeconds) * time.Second,
	}
	finders := u.TCPServer()
	if !o.remoteName {
		delete(finders, acl.Name)
	}
	if !o.user {
		delete(finders, acl.Ident)
	}
	return func(r *acl.Request) {
		if o.localName != nil {
			r.Learn(acl.LocalName, "", acl.Answer{Status: acl.Found, Text: *o.localName})
		}
		finders.Attach(context.Background(), r, 0)
		for _, k := range []acl.Kind{acl.LocalName, acl.Name, acl.Ident} {
			r.Get(k, "")
		}
	}
}
