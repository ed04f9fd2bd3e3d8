package journal

import (
	"io"
	"strconv"
	"sync"
	"time"
)

// Text writes one line an event, for a person to read:
//
//	smtp: 192.0.2.7:40001 (mx.example.net) allowed by /etc/hosts.allow:3, may relay: pid 4242, exit 0 after 1.2s
//	smtp: 192.0.2.66:40002 denied by /etc/hosts.deny:1
//
// A connection that was let in gets its line when its program ends, so that
// there is one line for every connection; verbose writes another when the
// program starts. Each line is one Write. Lines carry no time: the log they
// go to (journald, multilog, syslog) has its own.
func Text(w io.Writer, verbose bool) Sink {
	var mu sync.Mutex
	var buf []byte
	return func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		buf = appendNotes(buf[:0], &e)
		if e.Kind != Started || verbose {
			buf = append(appendWhat(appendWho(buf, &e), &e), '\n')
		}
		if len(buf) > 0 {
			w.Write(buf) // nowhere to report a log that cannot be written
		}
	}
}

// appendNotes adds a line for each note, as soon as there is one: a session
// may last long.
func appendNotes(b []byte, e *Event) []byte {
	if e.Kind == Ended {
		return b
	}
	for _, n := range e.Notes {
		b = appendWho(b, e)
		b = append(Escape(b, n.String()), '\n')
	}
	return b
}

// appendWho begins a line with the service, the client's address, and the
// names the client goes by, in parentheses.
func appendWho(b []byte, e *Event) []byte {
	b = append(b, e.Service...)
	b = append(b, ": "...)
	if e.Remote.Addr().IsValid() {
		b = e.Remote.AppendTo(b)
		b = append(b, ' ')
	}
	if e.Name == "" && e.User == "" {
		return b
	}
	b = append(b, '(')
	if e.User != "" {
		b = Escape(b, e.User)
		b = append(b, '@')
	}
	b = Escape(b, e.Name)
	return append(b, ") "...)
}

func appendWhat(b []byte, e *Event) []byte {
	switch e.Kind {
	case Started:
		return appendProcess(appendAllowed(b, e), e)
	case Ended:
		b = appendProcess(appendAllowed(b, e), e)
		if e.PID != 0 {
			b = append(b, ", "...)
			b = append(b, Outcome(e.Status)...)
		}
		b = append(b, " after "...)
		b = append(b, e.Duration.Round(time.Millisecond).String()...)
		return appendErr(b, e.Err)
	case Denied:
		b = append(b, "denied by "...)
		b = append(b, e.Rule.String()...)
		return appendRefusal(appendErr(b, e.Err), e)
	case Refused:
		b = append(b, "refused"...)
		return appendErr(b, e.Err)
	case Failed:
		b = appendAllowed(b, e)
		b = append(b, ": not served"...)
		return appendErr(b, e.Err)
	case Replaced:
		b = append(b, "given to a command by "...)
		b = append(b, e.Rule.String()...)
		b = append(b, ": pid "...)
		return strconv.AppendInt(b, int64(e.PID), 10)
	case Full:
		b = append(b, "full: "...)
		b = strconv.AppendInt(b, int64(e.Running), 10)
		return append(b, " running, further clients wait"...)
	}
	return Escape(b, e.Text)
}

// appendProcess says what serves the client.
func appendProcess(b []byte, e *Event) []byte {
	if e.PID == 0 && e.Kind == Ended {
		return append(b, ": served"...)
	}
	if e.PID == 0 {
		return append(b, ": without a program"...)
	}
	b = append(b, ": pid "...)
	return strconv.AppendInt(b, int64(e.PID), 10)
}

func appendAllowed(b []byte, e *Event) []byte {
	b = append(b, "allowed by "...)
	b = append(b, e.Rule.String()...)
	if e.Relay {
		b = append(b, ", may relay"...)
	}
	return b
}

// appendRefusal adds what the client was told, and what it wanted to send.
func appendRefusal(b []byte, e *Event) []byte {
	if e.Reply == "" {
		return b
	}
	b = append(b, ": told "...)
	b = Escape(b, e.Reply)
	for _, a := range e.Attempts {
		b = Escape(append(b, "; helo "...), a.Helo)
		b = Escape(append(b, " from <"...), a.From)
		b = Escape(append(b, "> to <"...), a.To)
		b = append(b, '>')
	}
	return b
}

func appendErr(b []byte, err error) []byte {
	if err == nil {
		return b
	}
	b = append(b, ": "...)
	return Escape(b, err.Error())
}

// maxField bounds what one name or message may take up in a line, in bytes.
const maxField = 1024

// Escape appends s to b with every byte outside printable ASCII, and the
// backslash, as \xNN: so that nothing in s can end a line, hide in it or
// drive a terminal. At most 1024 bytes of s are kept; a longer one ends in
// "...".
func Escape(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	cut := len(s) > maxField
	if cut {
		s = s[:maxField]
	}
	for i := range len(s) {
		c := s[i]
		if c < ' ' || c > '~' || c == '\\' {
			b = append(b, '\\', 'x', hex[c>>4], hex[c&15])
			continue
		}
		b = append(b, c)
	}
	if cut {
		b = append(b, "..."...)
	}
	return b
}

func itoa(n int) string { return strconv.Itoa(n) }
