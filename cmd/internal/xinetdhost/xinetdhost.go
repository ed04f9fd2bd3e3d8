// Package xinetdhost is this machine as xinetd.conf(5) knows it: its users and
// services, and how a program of a service is run on it.
package xinetdhost

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"doorward/acl"
	"doorward/acl/dnsbl"
	"doorward/launcher/dnslist"
	"doorward/launcher/lookup"
	"doorward/launcher/rules/book"
	"doorward/launcher/run"
	"doorward/launcher/ucspi"
	"doorward/launcher/when"
	"doorward/launcher/xinetd"
)

// Host is this machine, as a configuration is checked against it.
func Host() xinetd.Host {
	services, _ := os.ReadFile("/etc/services") // without it, ports are numbers
	return xinetd.Host{
		FS:    disk{},
		UID:   uint32(os.Getuid()),
		GID:   uint32(os.Getgid()),
		User:  User,
		Group: group,
		Port:  xinetd.ParseServices(string(services)),
	}
}

// disk reads files that may be written while they are read.
type disk struct{ xinetd.Disk }

func (disk) ReadFile(name string) ([]byte, error) { return book.ReadFile(name) }

// User looks a user up by name or number.
func User(name string) (xinetd.User, bool) {
	u, err := run.LookupUser(name)
	if err != nil {
		return xinetd.User{}, false
	}
	return xinetd.User{UID: u.UID, GID: u.GID, Groups: u.Groups}, true
}

func group(name string) (uint32, bool) {
	gid, err := run.LookupGroup(name)
	return gid, err == nil
}

// UnlessTrusted asks DNS lists about everybody but the clients of relay_from.
func UnlessTrusted(trusted func(netip.Addr) bool, lists *dnsbl.Lists) acl.Policy {
	return acl.Func(func(r *acl.Request) acl.Decision {
		if trusted(r.Remote.Addr()) {
			return acl.Decision{}
		}
		return lists.Decide(r)
	})
}

// Program says how the program of a service is run: in a session of its
// own, in the root directory, with no other umask than the one it was given.
func Program(service *xinetd.Service) (run.Program, error) {
	umask := inheritedUmask | 0o022
	if service.Umask != nil {
		umask = *service.Umask
	}
	p := run.Program{Path: service.Server, Argv: service.Argv, Dir: "/", Umask: &umask, Nice: service.Nice, Setsid: true}
	if c := service.Cred; c != nil {
		p.Cred = &run.Credential{UID: c.UID, GID: c.GID, Groups: c.Groups}
	}
	if service.Stderr == xinetd.StderrSocket {
		p.Stderr = run.StderrSocket
	}
	for _, r := range service.Rlimits {
		resource, ok := resources[r.Resource]
		if !ok {
			return p, fmt.Errorf("%v: %q: not a resource limit", service.Pos, r.Resource)
		}
		p.Limits = append(p.Limits, run.Limit{Resource: resource, Soft: r.Value, Hard: r.Value})
	}
	return p, nil
}

var resources = map[string]int{
	"as":    unix.RLIMIT_AS,
	"cpu":   unix.RLIMIT_CPU,
	"data":  unix.RLIMIT_DATA,
	"files": unix.RLIMIT_NOFILE,
	"rss":   unix.RLIMIT_RSS,
	"stack": unix.RLIMIT_STACK,
}

// inheritedUmask is the one doorward was started with. It can only be read by
// setting it, and belongs to all threads: once, before there is anything to
// race with.
var inheritedUmask = func() int {
	mask := unix.Umask(0o022)
	unix.Umask(mask)
	return mask
}()

// Style says how the connection is described to a service's program. One that
// is started through tcp-env(1) is left to that, which finds out more, such as
// names, and does nothing where somebody has said who the client is.
func Style(service *xinetd.Service) ucspi.Style {
	for _, word := range append([]string{service.Server}, service.Argv...) {
		if filepath.Base(word) == "tcp-env" {
			return ucspi.Silent
		}
	}
	return ucspi.Doorward
}

// Environ returns what a daemon's environment starts from. PATH is always
// there: hardly a program does without.
func Environ(service *xinetd.Service) []string {
	env := service.Environ(os.LookupEnv)
	if slices.ContainsFunc(env, func(e string) bool { return strings.HasPrefix(e, "PATH=") }) {
		return env
	}
	path := os.Getenv("PATH")
	if path == "" {
		path = "/usr/local/bin:/usr/bin:/bin"
	}
	return append(env, "PATH="+path)
}

// Conditions says when a service takes clients, in the order in which xinetd
// looks.
func Conditions(service *xinetd.Service) (cs []when.Condition) {
	if service.MaxLoad > 0 {
		cs = append(cs, when.LoadBelow(service.MaxLoad, when.SystemLoad))
	}
	if len(service.AccessTimes) == 0 {
		return cs
	}
	intervals := make([]when.Interval, len(service.AccessTimes))
	for i, t := range service.AccessTimes {
		intervals[i] = when.Interval(t)
	}
	return append(cs, when.During(intervals))
}

// OnlyKnown denies, if the service has flags = IDONLY, clients whose user no
// ident server tells, by the rule that has it so.
func OnlyKnown(service *xinetd.Service) acl.Policy {
	if service.Flags&xinetd.IDOnly == 0 {
		return acl.All{}
	}
	rule := service.At("flags")
	return acl.Func(func(r *acl.Request) acl.Decision {
		if r.Get(acl.Ident, "").Status == acl.Found {
			return acl.Decision{}
		}
		return acl.Decision{Verdict: acl.Deny, Rule: rule}
	})
}

// ListTime bounds how long a question to a DNS list may take: the patience of
// resolv.conf(5) can be longer than a client's.
const ListTime = 3 * time.Second

// ListServers returns who is asked about DNS lists.
func ListServers(lists *xinetd.DNSLists) lookup.DNS {
	if len(lists.Servers) > 0 {
		return dnslist.Servers(lists.Servers)
	}
	return lookup.ResolvConf("/etc/resolv.conf")
}
