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

// sinks returns where events go, and the log in the original's words, which
// writes nothing if another format is asked for.
func sinks(o options) (journal.Sink, *log) {
	l := &log{options: o}
	if !o.json {
		return l.sink, l
	}
	l.verbosity = quiet
	return filtered(journal.JSON(os.Stderr), o.verbosity), l
}

// filtered passes on what that verbosity wants to hear.
func filtered(sink journal.Sink, v verbosity) journal.Sink {
	return func(e journal.Event) {
		trouble := e.Kind == journal.Failed || e.Kind == journal.Refused || e.Kind == journal.Noted || len(e.Notes) > 0
		if v == verbose || v == errs && trouble {
			sink(e)
		}
	}
}

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
	case journal.Started, journal.Replaced:
		l.write(l.arrived(&e) + l.notes(e.Notes) + l.judged("ok", &e))
	case journal.Denied:
		l.denied(&e)
	case journal.Refused:
		l.write(l.warning(fmt.Sprintf("dropping connection from %s: %v", l.address(e.Remote.Addr()), e.Err)))
	case journal.Failed:
		l.write(l.arrived(&e) + l.judged("ok", &e) + l.warning(fmt.Sprintf("unable to run %s: %v", l.program[0], e.Err)) +
			l.ended(&e, statusDropped))
	case journal.Ended:
		l.write(l.ended(&e, int(e.Status)))
	case journal.Noted:
		l.write(l.warning(e.Text))
	}
}

// denied tells of a client that was kept out: by a rule, perhaps with a reply,
// or because its rules could not be read.
func (l *log) denied(e *journal.Event) {
	arrived := l.arrived(e)
	switch {
	case e.Rule == (acl.Pos{}) && len(e.Notes) > 0:
		l.write(arrived + l.dropped(e.Notes) + l.ended(e, statusDropped))
	case e.Reply != "":
		// rblsmtpd's line, which here has no process of its own either.
		told := ""
		if l.verbosity >= errs {
			told = fmt.Sprintf("rblsmtpd: %s pid %d: %s\n", l.address(e.Remote.Addr()), e.PID, e.Reply)
		}
		l.write(arrived + l.notes(e.Notes) + l.judged("ok", e) + told + l.ended(e, 0))
	default:
		l.write(arrived + l.notes(e.Notes) + l.judged("deny", e) + l.ended(e, statusDenied))
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

func (l *log) notes(notes []acl.Note) (text string) {
	for _, n := range notes {
		text += l.warning(n.String())
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
