// Command doorward-inetd decides about one connection that inetd or systemd
// (Accept=yes) has accepted, by the service of a configuration, and becomes the
// service's program.
//
// See doorward-inetd(8).
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"doorward/cmd/internal/xinetdhost"
	"doorward/launcher/sock"
	"doorward/launcher/xinetd"
)

// badUsage is the exit status for a command line that makes no sense, as
// ucspi-tcp has it.
const badUsage = 100

func main() {
	f := flag.NewFlagSet("doorward-inetd", flag.ContinueOnError)
	f.SetOutput(stderr{})
	config := f.String("config", "/etc/xinetd.conf", "services, in the syntax of xinetd.conf(5): `file`")
	allow := f.String("hosts-allow", "/etc/hosts.allow", "table of hosts_access(5): `file`")
	deny := f.String("hosts-deny", "/etc/hosts.deny", "table of hosts_access(5): `file`")
	f.Usage = func() {
		fmt.Fprintln(f.Output(), "usage: doorward-inetd [-config file] [-hosts-allow file] [-hosts-deny file] service")
		f.PrintDefaults()
	}
	if err := f.Parse(os.Args[1:]); err != nil || f.NArg() != 1 {
		if err == nil {
			f.Usage()
		}
		os.Exit(badUsage)
	}
	sock.KeepInherited() // where the kernel cannot, the program gets what we were given
	d := door{name: f.Arg(0), hostsAllow: *allow, hostsDeny: *deny}
	if err := d.open(*config); err != nil {
		for _, line := range strings.Split(err.Error(), "\n") {
			say(d.name + ": not served: " + line)
		}
		os.Exit(1)
	}
}

// find returns the service with this id. Mistakes in others are no concern
// here: doorward check tells of them.
func find(config, id string) (*xinetd.Service, error) {
	c, err := xinetd.Load(config, xinetdhost.Host())
	if c == nil {
		return nil, err
	}
	for _, s := range c.Services {
		if s.ID != id || s.Protocol == "udp" {
			continue
		}
		switch {
		case s.Err() != nil:
			return nil, s.Err()
		case s.Disabled:
			return nil, fmt.Errorf("%v: disabled", s.Pos)
		}
		return s, elsewhere(s)
	}
	return nil, errors.Join(fmt.Errorf("%s: no service has this id", config), err)
}

// uncounted names the limits of a service that nobody keeps here: they count
// connections, or outlast the moment at which this process becomes the program.
// They are told of with each client, and do not keep anybody out: whoever
// accepts has limits of its own.
func uncounted(s *xinetd.Service) (names []string) {
	for _, limit := range []struct {
		name string
		set  bool
	}{
		{"instances", s.Instances > 0},
		{"cps", s.CPS.Rate > 0},
		{"per_source", s.PerSource > 0},
		{"per_prefix", s.PerPrefix > 0},
		{"rate", s.Rate.Count > 0},
		{"max_session", s.MaxSession > 0},
	} {
		if limit.set {
			names = append(names, limit.name)
		}
	}
	return names
}

// elsewhere is an error that names what keeps clients out, or serves them, and
// cannot be had by a program that is there for one connection.
func elsewhere(s *xinetd.Service) error {
	for what, used := range map[string]bool{
		"wait = yes":      s.Wait,
		"type = INTERNAL": s.Internal, // SENSOR among them
		"redirect":        s.Redirect != nil,
	} {
		if used {
			return fmt.Errorf("%v: %s: only doorward serve has it", s.Pos, what)
		}
	}
	return nil
}
