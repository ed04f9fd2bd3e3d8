package main

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"sync"

	"doorward/acl"
	"doorward/launcher/journal"
)

// A log writes tcpserver's lines to descriptor 2: for every connection that it
// is there and from where, whether it was let in, and how its program ended,
// and each time how many there are.
type log struct {
	options

	mu      sync.Mutex
	running int
}

func newLog(o options) *log { return &log{options: o} }

// Raw wait statuses of the process that the original has for every connection
// and this program only for those that are let in.
const (
	statusDenied  = exitUsage << 8
	statusDropped = exitTemporary << 8
)

// status writes how many connections there are.
func (l *log) status() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.write(l.statusLine())
}

func (l *log) statusLine() string {
	if l.verbosity < verbose {
		return ""
	}
	return fmt.Sprintf("tcpserver: status: %d/%d\n", l.running, l.limit)
}

// sink writes what an event means, in one piece.
func (l *log) sink(e journal.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch e.Kind {
	case journal.Started:
		l.write(l.arrived(&e) + l.judged("ok", &e))
	case journal.Denied:
		arrived := l.arrived(&e)
		if len(e.Notes) > 0 {
			l.write(arrived + l.dropped(e.Notes) + l.ended(&e, statusDropped))
			return
		}
		l.write(arrived + l.judged("deny", &e) + l.ended(&e, statusDenied))
	case journal.Failed:
		l.write(l.arrived(&e) + l.judged("ok", &e) + l.warning(fmt.Sprintf("unable to run %s: %v", l.program[0], e.Err)) +
			l.ended(&e, statusDropped))
	case journal.Ended:
		l.write(l.ended(&e, int(e.Status)))
	case journal.Noted:
		l.write(l.warning(e.Text))
	}
}

// arrived counts a connection. One that is not let in has no process of its
// own; the number of this one stands for it.
func (l *log) arrived(e *journal.Event) string {
	l.running++
	if e.PID == 0 {
		e.PID = os.Getpid()
	}
	if l.verbosity < verbose {
		return ""
	}
	return l.statusLine() + fmt.Sprintf("tcpserver: pid %d from %s\n", e.PID, l.address(e.Remote.Addr()))
}

func (l *log) ended(e *journal.Event, status int) string {
	l.running--
	if l.verbosity < verbose {
		return ""
	}
	pid := e.PID
	if pid == 0 {
		pid = os.Getpid()
	}
	return fmt.Sprintf("tcpserver: end %d status %d\n", pid, status) + l.statusLine()
}

func (l *log) judged(word string, e *journal.Event) string {
	if l.verbosity < verbose {
		return ""
	}
	b := fmt.Appendf(nil, "tcpserver: %s %d ", word, e.PID)
	b = append(field(b, e.LocalName), ':')
	b = append(acl.AppendIP6(b, e.Local.Addr()), ':')
	b = append(strconv.AppendUint(b, uint64(e.Local.Port()), 10), ' ')
	b = append(field(b, e.Name), ':')
	b = append(acl.AppendIP6(b, e.Remote.Addr()), ':')
	b = append(field(b, e.User), ':')
	b = strconv.AppendUint(b, uint64(e.Remote.Port()), 10)
	return string(b) + "\n"
}

func (l *log) dropped(notes []acl.Note) string {
	text := ""
	for _, n := range notes {
		text += l.warning("dropping connection, " + n.String())
	}
	return text
}

func (l *log) warning(text string) string {
	if l.verbosity < errs {
		return ""
	}
	return "tcpserver: warning: " + string(journal.Escape(nil, text)) + "\n"
}

func (l *log) address(a netip.Addr) string {
	if a.Is4() && !l.ipv6 {
		return a.String()
	}
	return string(acl.AppendIP6(nil, a))
}

// maxField is where the original cuts what a client had a hand in.
const maxField = 100

// field appends a name so that it cannot be taken for anything else: what is
// not graphic ASCII, and %, becomes a question mark.
func field(b []byte, s string) []byte {
	for i := range len(s) {
		if i == maxField {
			return append(b, "..."...)
		}
		c := s[i]
		if c < 33 || c > 126 || c == '%' {
			c = '?'
		}
		b = append(b, c)
	}
	return b
}

func (l *log) write(s string) {
	if s != "" {
		os.Stderr.WriteString(s)
	}
}
