// Package journal turns what happens to connections into log lines and
// counters.
//
// The launcher reports an [Event] for each step that somebody may want to
// know about and does not care where it goes: a [Sink] is a function. [Text]
// writes a line a person reads, [JSON] one a program reads, [Counts] keeps
// numbers. Everything a client had a hand in (names, users) is escaped here,
// so that it can neither end a line nor start one.
package journal

import (
	"net/netip"
	"syscall"
	"time"

	"doorward/acl"
)

// A Kind says what happened.
type Kind uint8

const (
	Started  Kind = iota + 1 // a program was started for a connection
	Ended                    // that program has ended
	Denied                   // the rules keep the client out
	Refused                  // a limit keeps the client out
	Failed                   // the program could not be started
	Replaced                 // a rule's command (twist) was started in the program's place
	Full                     // the service is at its limit; clients wait in the kernel
	Noted                    // something that belongs to no connection; Text has it
)

var kinds = [...]string{Started: "started", Ended: "ended", Denied: "denied", Refused: "refused",
	Failed: "failed", Replaced: "replaced", Full: "full", Noted: "noted"}

func (k Kind) String() string {
	if int(k) < len(kinds) && kinds[k] != "" {
		return kinds[k]
	}
	return "unknown"
}

// An Event is one step in the life of a connection. Fields that do not apply
// are zero.
type Event struct {
	Kind    Kind
	Time    time.Time
	Service string

	Datagram bool // the service is one for datagrams, and another of this name may not be

	Remote, Local netip.AddrPort
	Name, User    string // of the client, as found out, unescaped; empty: not asked for or unknown
	LocalName     string // of the address it connected to, likewise

	Verdict acl.Verdict
	Rule    acl.Pos // the rule that decided; zero: the default
	Relay   bool    // RELAYCLIENT was set

	PID      int                // 0: doorward itself serves the client
	Status   syscall.WaitStatus // of Ended
	Duration time.Duration      // of Ended: since the connection was accepted
	Running  int                // Full: how many run

	Err   error      // why it Failed or was Refused, and what went wrong until it Ended
	Notes []acl.Note // what whoever keeps the rules should hear, found while deciding
	Text  string     // of Noted

	// Of Denied, where the client was told so in SMTP: the line it was told,
	// and the messages it then tried to send, the first few of them.
	Reply    string
	Attempts []Attempt
}

// A Key tells services apart: one for datagrams may have the name of another.
type Key struct {
	Service  string
	Datagram bool
}

// Key returns which service the event is about.
func (e *Event) Key() Key { return Key{e.Service, e.Datagram} }

// An Attempt is the envelope of a message that was refused, as the client gave
// it: printable ASCII without spaces, of bounded length.
type Attempt struct {
	Helo string `json:"helo,omitempty"`
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
}

// A Sink takes events. It is called by many goroutines at once, must not
// block for long, and must not keep pointers into the event.
type Sink func(Event)

// All gives every event to each of several sinks.
func All(sinks ...Sink) Sink {
	return func(e Event) {
		for _, s := range sinks {
			s(e)
		}
	}
}

// Outcome says in one or two words how a program ended: "exit 0", "signal
// killed".
func Outcome(ws syscall.WaitStatus) string {
	if ws.Signaled() {
		return "signal " + ws.Signal().String()
	}
	return "exit " + itoa(ws.ExitStatus())
}
