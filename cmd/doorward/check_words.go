package main

import (
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"

	"doorward/acl"
	"doorward/acl/hosts"
	"doorward/cmd/internal/inetdconf"
	"doorward/cmd/internal/question"
	"doorward/launcher/lookup"
	"doorward/launcher/run"
	"doorward/launcher/xinetd"
)

// reserved are words of tables that mean something of their own.
var reserved = []string{"all", "known", "unknown", "local", "paranoid", "fail"}

func isReserved(word string) bool { return slices.Contains(reserved, strings.ToLower(word)) }

// daemons are those that the rules of tables can be about. The zero daemons are
// not known: anything can be one.
type daemons struct {
	files []string // where they are from
	known []knownDaemon
}

// A knownDaemon goes by its name and, in rules such as "25: ALL", by its port.
type knownDaemon struct {
	name    string
	port    uint16 // 0: unknown
	guarded bool   // somebody asks the tables about its clients
}

func (ds *daemons) addServices(file string, services []*xinetd.Service) {
	ds.files = append(ds.files, file)
	for _, s := range services {
		ds.known = append(ds.known, knownDaemon{s.Daemon, s.Port, slices.Contains(s.Rules, "hosts")})
	}
}

func (ds *daemons) addInetd(file string, inetd inetdconf.Daemons) {
	ds.files = append(ds.files, file)
	for name, guarded := range inetd {
		ds.known = append(ds.known, knownDaemon{name, 0, guarded})
	}
}

// fault says why a rule about the daemons that word means does nothing, or "".
// What word means is for the language of the tables to say.
func (ds *daemons) fault(word string) (code, text string) {
	rule, _ := hosts.Parse("", word+": ALL\n", nil)
	access, met := hosts.Access{Allow: rule}, false
	for _, d := range ds.known {
		r := &acl.Request{Daemon: d.name, Local: netip.AddrPortFrom(netip.IPv4Unspecified(), d.port)}
		if access.Decide(r).Verdict != acl.Allow {
			continue
		}
		if met = true; d.guarded {
			return "", ""
		}
	}
	if met {
		return "UNGUARDED", "service possibly not wrapped: nobody asks the tables about it"
	}
	return "NO-DAEMON", "no such process name in " + strings.Join(ds.files, " or ")
}

// words compares what the rules of tables name with what this machine has:
// daemons, netgroups, users, groups and directories.
func (c *checker) words(tables []*hosts.Rules) {
	seen := map[string]bool{} // daemons that have been looked at
	for _, t := range tables {
		for rule := range t.All {
			for _, w := range rule.Daemons {
				if name := strings.ToLower(w.Who); !seen[name] {
					seen[name] = true
					c.daemon(rule.Pos, w.Who)
				}
			}
			for _, o := range rule.Options {
				c.option(rule.Pos, o)
			}
		}
	}
	groups := map[string]bool{}
	for h := range hostWords(tables) {
		group, ok := strings.CutPrefix(h.word, "@")
		switch {
		case h.word == "@": // the parser has said so
		case ok:
			c.netgroup(h.pos, group, groups)
		case h.word == "":
			c.warn(h.pos, "NO-HOST", "@", "no host after the @: it matches nobody")
		case strings.Contains(h.word, "@"):
			c.warn(h.pos, "NO-HOST", h.word, "an @ is no part of a host, nor are there users in a pattern file: it matches nobody")
		}
	}
}

// daemon looks for a daemon among those there are. Each is missing once, as
// tcpdchk has it, not in every rule. Of odd words the parser has warned.
func (c *checker) daemon(pos acl.Pos, word string) {
	if len(c.daemons.known) == 0 || isReserved(word) || strings.ContainsRune("@/.", rune(word[0])) || strings.HasSuffix(word, ".") {
		return
	}
	if code, text := c.daemons.fault(word); code != "" {
		c.warn(pos, code, word, text)
	}
}

// netgroup looks for a netgroup, and remembers in known whether there is one.
func (c *checker) netgroup(pos acl.Pos, group string, known map[string]bool) {
	if _, asked := known[group]; !asked {
		known[group] = (lookup.System{}).HasNetgroup(group)
	}
	if !known[group] {
		c.warn(pos, "NO-NETGROUP", "@"+group, "unknown or empty netgroup")
	}
}

// option looks for whom and what an option names. A rule that names somebody
// who does not exist lets nobody in.
func (c *checker) option(pos acl.Pos, o hosts.Option) {
	key := strings.ToLower(o.Key)
	switch key {
	case "user", "group":
		_, err := question.Unknown([]hosts.Processed{{Key: key, Value: o.Value}})
		var unknown *run.UnknownError
		if errors.As(err, &unknown) && o.Value != "" {
			code := "NO-USER"
			if unknown.Kind == "group" {
				code = "NO-GROUP"
			}
			c.warn(pos, code, o.Key+" "+o.Value, err.Error()+"; whom the rule matches is denied")
			c.found[len(c.found)-1].err = true
		}
	case "banners":
		if info, err := os.Stat(o.Value); err != nil || !info.IsDir() {
			c.warn(pos, "NO-BANNERS", o.Key+" "+o.Value, "no such directory: clients are told nothing")
		}
	}
}
