// Package servicelog writes a log of its own for each service, line for line
// as xinetd does (log_type, log_on_success and log_on_failure in
// xinetd.conf(5)), for programs that read such logs.
//
//	26/11/24@08:05:33: START: smtp pid=4242 from=192.0.2.7
//	26/11/24@08:05:34: EXIT: smtp status=0 pid=4242 duration=1(sec)
//	26/11/24@08:05:35: FAIL: smtp address from=192.0.2.66
//
// It differs in five things. An IPv4 client is 192.0.2.7 whatever the socket,
// not ::ffff:192.0.2.7. A file may be renamed or removed at any time: the next
// line goes to a new one. A file that is full is written to again as soon as
// there is room. A client that is kept out for its user (NOID) has no START
// and no EXIT about it, for nothing was started. A user is a name (USERID: smtp
// joe), without what the ident server says of its system (UNIX : joe).
package servicelog

import (
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"doorward/acl"
	"doorward/launcher"
	"doorward/launcher/journal"
	"doorward/launcher/syslog"
	"doorward/launcher/when"
)

// A Config says where the log of a service is and what is in it. The zero
// Config is no log.
type Config struct {
	File       string // its path; empty: the system log, or none
	Soft, Hard int64  // sizes in bytes at which there is a warning, and an end; 0: none

	Syslog   bool
	Priority syslog.Priority

	Success, Failure Parts    // what is written of clients that are let in, and of others; 0: nothing
	Hosts            []string // rule files whose denials are libwrap's, not those of the service
	IDOnly           acl.Pos  // the rule that denies clients whose user nobody tells; zero: none
}

// Parts are what a line has beside the name of the service.
type Parts uint8

const (
	PID      Parts = 1 << iota
	Host           // the client's address
	UserID         // in a line of its own, if the rules asked for it
	Exit           // how the program ended
	Duration       // after how long
	Attempt        // the line itself
)

// Logs are the logs of all services. Its Sink is for a journal. The zero Logs
// are ready for use.
type Logs struct {
	// Warn hears of files that cannot be written or are full, once each time
	// that comes to be. Nil: nobody does. It must not change the Logs.
	Warn func(text string)

	mu    sync.Mutex
	by    map[journal.Key]Config
	files map[string]*file // by path
}

// Set gives a service another log. The zero Config takes it away.
func (l *Logs) Set(service journal.Key, c Config) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.by == nil {
		l.by, l.files = make(map[journal.Key]Config), make(map[string]*file)
	}
	if c.File == "" && !c.Syslog {
		delete(l.by, service)
	} else {
		l.by[service] = c
	}
	if c.File != "" && l.files[c.File] == nil {
		l.files[c.File] = &file{path: c.File}
	}
	for path, f := range l.files {
		if !l.wants(path) {
			f.close()
			delete(l.files, path)
		}
	}
}

func (l *Logs) wants(path string) bool {
	for _, c := range l.by {
		if c.File == path {
			return true
		}
	}
	return false
}

// Sink writes the lines of an event to the log of its service.
func (l *Logs) Sink(e journal.Event) {
	c, f, ok := l.of(&e)
	if !ok {
		return
	}
	for _, line := range c.lines(&e) {
		if f != nil {
			l.warn(f.write(e.Time.AppendFormat(nil, "06/1/2@15:04:05: "), line, c))
			continue
		}
		w := syslog.Writer{Tag: "xinetd", PID: pid}
		w.Write(c.Priority, string(line)) // an error means that nobody listens: the journal has it all
	}
}

// of returns the log of the service of an event, and the file of that.
func (l *Logs) of(e *journal.Event) (c Config, f *file, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.by) == 0 {
		return c, nil, false
	}
	c, ok = l.by[e.Key()]
	return c, l.files[c.File], ok
}

func (l *Logs) warn(text string) {
	if text != "" && l.Warn != nil {
		l.Warn(text)
	}
}

// lines returns what an event is in the log, without the time.
func (c *Config) lines(e *journal.Event) [][]byte {
	switch {
	case e.Kind == journal.Started || e.Kind == journal.Replaced:
		return c.withUser(c.Success, e, c.start(e))
	case e.Kind == journal.Ended && c.Success&(Exit|Duration) != 0:
		return [][]byte{c.exit(e)}
	case c.noUser(e):
		return [][]byte{c.noID(e)}
	case e.Kind == journal.Denied || e.Kind == journal.Refused || e.Kind == journal.Failed:
		return c.withUser(c.Failure, e, c.fail(e))
	}
	return nil
}

// withUser adds the line about the user behind one of the others.
func (c *Config) withUser(parts Parts, e *journal.Event, line []byte) [][]byte {
	switch {
	case parts == 0:
		return nil
	case parts&UserID == 0 || e.User == "":
		return [][]byte{line}
	}
	user := append([]byte("USERID: "), e.Service...)
	return [][]byte{line, journal.Escape(append(user, ' '), e.User)}
}

func (c *Config) start(e *journal.Event) []byte {
	b := append([]byte("START: "), e.Service...)
	if c.Success&PID != 0 && e.PID != 0 {
		b = number(b, " pid=", e.PID)
	}
	return from(b, c.Success, e.Remote)
}

func (c *Config) exit(e *journal.Event) []byte {
	b := append([]byte("EXIT: "), e.Service...)
	switch {
	case c.Success&Exit == 0:
	case e.Status.Signaled():
		b = number(b, " signal=", int(e.Status.Signal()))
	default:
		b = number(b, " status=", e.Status.ExitStatus())
	}
	if c.Success&PID != 0 && e.PID != 0 {
		b = number(b, " pid=", e.PID)
	}
	if c.Success&Duration != 0 {
		b = append(number(b, " duration=", int(e.Duration/time.Second)), "(sec)"...)
	}
	return b
}

func (c *Config) fail(e *journal.Event) []byte {
	b := append([]byte("FAIL: "), e.Service...)
	b = append(append(b, ' '), c.reason(e)...)
	return from(b, c.Failure, e.Remote)
}

// noUser reports whether there is a line about a client that IDONLY keeps out:
// with xinetd it is about the user that log_on_success asks for.
func (c *Config) noUser(e *journal.Event) bool {
	kept := e.Kind == journal.Denied && c.IDOnly != (acl.Pos{}) && e.Rule == c.IDOnly
	return kept && (c.Success&UserID != 0 || c.Failure != 0)
}

// noID is xinetd's line about such a client. It has the address whatever the
// parts are.
func (c *Config) noID(e *journal.Event) []byte {
	b := append([]byte("NOID: "), e.Service...)
	return append(e.Remote.Addr().AppendTo(append(b, ' ')), " no server"...)
}

// reasons are xinetd's words.
var reasons = []struct {
	err  error
	word string
}{
	{when.ErrTime, "time"},
	{when.ErrLoad, "load"},
	{launcher.ErrSource, "per_source_limit"},
	{launcher.ErrPrefix, "per_source_limit"},
	{launcher.ErrRate, "connections per second"},
	{launcher.ErrFull, "service_limit"},
}

func (c *Config) reason(e *journal.Event) string {
	for _, r := range reasons {
		if errors.Is(e.Err, r.err) {
			return r.word
		}
	}
	switch {
	case e.Kind == journal.Failed:
		return "fork"
	case slices.Contains(c.Hosts, e.Rule.File):
		return "libwrap"
	}
	return "address"
}

func from(b []byte, parts Parts, client netip.AddrPort) []byte {
	if parts&Host == 0 || !client.IsValid() {
		return b
	}
	return client.Addr().AppendTo(append(b, " from="...))
}

func number(b []byte, name string, n int) []byte {
	return strconv.AppendInt(append(b, name...), int64(n), 10)
}
