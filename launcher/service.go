package launcher

import (
	"strings"
	"time"

	"doorward/acl"
	"doorward/acl/cidr"
	"doorward/launcher/builtin"
	"doorward/launcher/run"
	"doorward/launcher/ucspi"
	"doorward/launcher/when"
)

// A Service is a program and who may reach it. It does not change: a reload
// makes another one.
type Service struct {
	Name   string // in the journal
	Daemon string // name the rules use, such as "in.ftpd"

	Pace       Pace             // how fast clients may come
	Conditions []when.Condition // when they may; none: at any time

	// Policy decides who gets in; nil lets everybody in.
	Policy acl.Policy

	// Attach gives a request an Ask with a network behind it; nil leaves
	// every fact but the addresses unknown.
	Attach func(*acl.Request)

	// Greeting is sent to every client before anything is found out about it
	// (tcpserver -B); empty: nothing.
	Greeting string

	Banners Banners // files a client is sent

	// Proxies are those who connect for others and say for whom in a PROXY
	// header (package proxyproto), without which nobody gets in; nor does
	// anybody else. Nil: clients come themselves.
	Proxies *cidr.Table[struct{}]

	// NoDelay and KeepAlive turn TCP_NODELAY and SO_KEEPALIVE on (flags =
	// NODELAY KEEPALIVE in xinetd).
	NoDelay, KeepAlive bool

	// Handler serves clients in this process, in the program's place; nil: the
	// program does.
	Handler builtin.Service

	Program run.Program
	Env     []string    // what the program's environment starts from
	Style   ucspi.Style // how the connection is described in it
	Want    []acl.Kind  // facts to describe even if no rule asked for them

	// MaxSession is how long a program may run: then it and what is in its
	// session get a SIGTERM, and some seconds later a SIGKILL. 0: as long as it
	// likes. The program needs a session of its own.
	MaxSession time.Duration

	// RemoteHost sets REMOTE_HOST to the client's address, as xinetd does.
	RemoteHost bool

	// RelayFrom are the networks that may relay: for their clients
	// RELAYCLIENT is set to RelayClient, unless a rule set it to something
	// else. Nobody else gets it but through a rule.
	RelayFrom   *cidr.Table[struct{}] // nil: none
	RelayClient string
}

// relayClient is the variable that lets a client send mail anywhere
// (qmail-smtpd(8)): any value does, the empty one included.
const relayClient = "RELAYCLIENT"

// settings returns what the rules, relay_from and xinetd's habits add to the
// environment of a client's program. It does not change d.Env, which belongs
// to the rules.
func (s *Service) settings(r *acl.Request, d acl.Decision) []acl.Setenv {
	trusted := s.RelayFrom != nil && s.RelayFrom.Contains(r.Remote.Addr())
	known := s.RemoteHost && r.Remote.IsValid()
	if !trusted && !known {
		return d.Env
	}
	set := make([]acl.Setenv, 0, len(d.Env)+2)
	if known {
		set = append(set, acl.Setenv{Name: "REMOTE_HOST", Value: r.Remote.Addr().String()})
	}
	if trusted {
		set = append(set, acl.Setenv{Name: relayClient, Value: s.RelayClient})
	}
	return append(set, d.Env...) // the last setting of a name counts: a rule knows better
}

// relays reports whether a program started with these settings may relay, and
// what is odd about that: somebody who writes RELAYCLIENT="no" thinks that it
// means no.
func relays(set []acl.Setenv) (may bool, oddity string) {
	for i := len(set) - 1; i >= 0; i-- {
		if set[i].Name != relayClient {
			continue
		}
		switch strings.ToLower(set[i].Value) {
		case "no", "0", "false", "off":
			oddity = relayClient + "=" + set[i].Value + ": any value lets the client relay, this one too"
		}
		return !set[i].Unset, oddity
	}
	return false, ""
}
