package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"doorward/acl"
	"doorward/launcher"
	"doorward/launcher/lookup"
	"doorward/launcher/rules"
	"doorward/launcher/run"
	"doorward/launcher/ucspi"
)

// service is what a command line asks for, in the launcher's terms.
func service(o options, book *rules.Book, warn func(error)) (*launcher.Service, error) {
	p, err := policy(o, book)
	if err != nil {
		return nil, err
	}
	name := filepath.Base(o.program[0])
	return &launcher.Service{
		Name:     name,
		Daemon:   name,
		Policy:   p,
		Attach:   attach(o, warn),
		Greeting: o.banner,
		NoDelay:  o.noDelay,
		Program:  program(o.program),
		Env:      os.Environ(),
		Style:    style(o),
	}, nil
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
// order: the program and the rules are to see what there is. Tables of
// hosts_access(5) may ask for others, and trust a name only if it leads back
// to the address.
func attach(o options, warn func(error)) func(*acl.Request) {
	hosts := slices.Contains(o.words, "hosts")
	u := lookup.UCSPI{
		DNS:      lookup.DNSCacheIP(os.LookupEnv, "/etc/resolv.conf"),
		Paranoid: o.paranoid || hosts,
		Wait:     time.Duration(o.userSeconds) * time.Second,
	}
	finders := u.TCPServer()
	var wanted []acl.Kind
	for _, w := range []struct {
		kind acl.Kind
		on   bool
	}{{acl.LocalName, o.localName == nil}, {acl.Name, o.remoteName}, {acl.Ident, o.user}} {
		switch {
		case w.on:
			wanted = append(wanted, w.kind)
		case !hosts:
			delete(finders, w.kind)
		}
	}
	if o.lists != nil {
		e := engine(warn)
		e.Use(o.lists)
		finders[acl.Listed] = e.Finder(o.lists)
	}
	return func(r *acl.Request) {
		if o.localName != nil {
			r.Learn(acl.LocalName, "", acl.Answer{Status: acl.Found, Text: *o.localName})
		}
		finders.Attach(context.Background(), r, 0)
		for _, k := range wanted {
			r.Get(k, "")
		}
	}
}
