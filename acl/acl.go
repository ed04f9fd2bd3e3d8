// Package acl decides who may connect.
//
// A [Policy] reads a [Request] and returns a [Decision]. Policies come from
// rule files; each dialect has its own package below this one (hosts,
// tcprules, onlyfrom, dnsbl) and all of them answer in the same three words:
// [Pass], [Allow], [Deny]. Dialects do not know each other; they meet in [All].
//
// The package does no I/O and reads no clock. The addresses of a request are
// always known; every other fact is asked for through Request.Ask, at most
// once, and only when a rule needs it. The same rules and the same answers
// always give the same decision.
//
// Finding facts out is the work of launcher/lookup; doing what a decision says
// is the work of launcher/run.
package acl

import "net/netip"

// A Request is one attempt to connect: the question a policy answers.
//
// The zero Request is a client about whom nothing is known; rules see its
// addresses and names as "unknown". A Request belongs to one goroutine.
type Request struct {
	Daemon string // name the rules use, such as "in.ftpd" or "smtp"

	// Remote is the client's address, Local the one it connected to. Neither
	// is ever an IPv4-mapped address. Invalid means unknown; a port of 0 next
	// to a valid address means that only the port is.
	Remote, Local netip.AddrPort

	// Mapped says that the connection came through a dual-stack socket. It
	// changes no verdict; tcp_wrappers and tcpserver -6 write such an IPv4
	// address as ::ffff:192.0.2.7.
	Mapped bool

	Unix     bool // an AF_UNIX peer: it has no addresses, tcp_wrappers names it "localhost"
	Datagram bool // UDP: there is nobody to ask for a user name
	PID      int  // process id for %p in hosts_options(5)

	// Env is the environment that earlier policies and programs set. A policy
	// may read it and must not change it.
	Env []Setenv

	// Ask finds a fact out. It is called at most once for a fact, by Get. Nil
	// answers Unknown to everything.
	Ask func(Fact) Answer

	// At is the rule being looked at, set by the policy that looks: where a
	// message about a fact belongs that is asked for now.
	At Pos

	asked []asked // what Get has learnt, in order
}

// A Kind is the kind of a fact.
type Kind uint8

const (
	Name      Kind = iota + 1 // the client's host name
	LocalName                 // the name of the address it connected to
	Ident                     // the user, as the client's ident server has it (RFC 1413); Arg may give the seconds to wait
	Netgroup                  // whether a host is in a netgroup; Arg is the group, a space, the host name
	Listed                    // whether the client's address is in a DNS list; Arg is the zone
)

// A Fact is something that may be learnt about a request when a rule wants to
// know. The zero Fact is no fact.
type Fact struct {
	Kind Kind
	Arg  string // see Kind; empty where the kind takes none
}

// A Status says how much an answer is worth. The zero Status is Unknown.
type Status uint8

const (
	Unknown Status = iota // not found out: no answer, no way to ask, a temporary failure
	Found                 // Text is the fact
	Absent                // found out that there is none
	Forged                // a name that does not lead back to the address (PARANOID); Text is not set
	Failed                // a temporary failure, where the asker cares about the difference to Unknown
)

// An Answer is what has been learnt about a fact. The zero Answer is Unknown.
// Text comes from the network and is hostile: escape it before it reaches a
// log, an environment, a command or a reply.
type Answer struct {
	Status Status
	Text   string
}

type asked struct {
	fact   Fact
	answer Answer
}

// Get finds out a fact and remembers it: whoever asks again gets the same
// answer, without another call of r.Ask.
func (r *Request) Get(k Kind, arg string) Answer {
	f := Fact{k, arg}
	if a, ok := r.Known(k, arg); ok {
		return a
	}
	var a Answer
	if r.Ask != nil {
		a = r.Ask(f)
	}
	r.asked = append(r.asked, asked{f, a})
	return a
}

// Known returns a fact if it has been asked for already. It never asks.
func (r *Request) Known(k Kind, arg string) (Answer, bool) {
	for i := range r.asked {
		if r.asked[i].fact.Kind == k && r.asked[i].fact.Arg == arg {
			return r.asked[i].answer, true
		}
	}
	return Answer{}, false
}

// Learn records an answer as if it had been asked for, replacing an earlier
// one. tcp_wrappers does so when it cleans a name for use in a command: every
// later use sees the clean one.
func (r *Request) Learn(k Kind, arg string, a Answer) {
	f := Fact{k, arg}
	for i := range r.asked {
		if r.asked[i].fact == f {
			r.asked[i].answer = a
			return
		}
	}
	r.asked = append(r.asked, asked{f, a})
}

// Asked calls yield for every fact that has been asked for, in order.
func (r *Request) Asked(yield func(Fact, Answer) bool) {
	for _, a := range r.asked {
		if !yield(a.fact, a.answer) {
			return
		}
	}
}

// Getenv returns the value of name in r.Env; the last setting counts.
func (r *Request) Getenv(name string) (value string, ok bool) {
	for i := len(r.Env) - 1; i >= 0; i-- {
		if r.Env[i].Name == name {
			return r.Env[i].Value, !r.Env[i].Unset
		}
	}
	return "", false
}
