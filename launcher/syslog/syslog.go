// Package syslog writes to the local system log as syslog(3) does: one
// datagram a message to /dev/log.
//
// The standard library's log/syslog binds a writer to one facility and one
// severity. tcp_wrappers lets a rule choose both (severity auth.info in
// hosts_options(5)), so that here they belong to the message.
package syslog

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A Priority is a facility and a severity, as syslog(3) combines them. The
// zero Priority is kern.emerg; use the constants.
type Priority int

// Severities and the facilities tcp_wrappers knows by number.
const (
	Err     Priority = 3
	Warning Priority = 4
	Info    Priority = 6

	Daemon Priority = 3 << 3
)

var severities = []string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}

var facilities = []string{"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron",
	"authpriv", "ftp", "ntp", "audit", "alert", "clock",
	"local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"}

// With replaces the facility, the severity or both by what word says:
// "mail.info", or "info" alone. A word it does not know is an error.
func (p Priority) With(word string) (Priority, error) {
	facility, severity, both := strings.Cut(word, ".")
	if !both {
		severity = facility
	} else if i := index(facilities, facility); i >= 0 {
		p = Priority(i<<3) | p&7
	} else {
		return p, errors.New("unknown syslog facility " + strconv.Quote(facility))
	}
	i := index(severities, severity)
	if i < 0 {
		return p, errors.New("unknown syslog severity " + strconv.Quote(severity))
	}
	return p&^7 | Priority(i), nil
}

func index(words []string, w string) int {
	for i := range words {
		if strings.EqualFold(words[i], w) {
			return i
		}
	}
	return -1
}

// A Writer sends messages under one name. The zero Writer sends to /dev/log
// under an empty tag. It opens a socket for each message: its users write one
// or two lines in their life.
type Writer struct {
	Tag  string // name of the program, as syslog(3)'s ident
	PID  int    // written behind the tag; 0 leaves it out
	Path string // the socket; empty: /dev/log
}

// maxMessage bounds a message; rsyslog and journald take more, older ones do not.
const maxMessage = 2048

// Write sends a message, with control characters escaped as \ooo, the way
// syslogd would. An error means that nobody heard it.
func (w *Writer) Write(p Priority, text string) error {
	path := w.Path
	if path == "" {
		path = "/dev/log"
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Sendto(fd, w.format(p, text, time.Now()), 0, &unix.SockaddrUnix{Name: path})
}

// format returns the datagram glibc's syslog(3) would send.
func (w *Writer) format(p Priority, text string, now time.Time) []byte {
	b := append([]byte{'<'}, strconv.Itoa(int(p))...)
	b = append(b, '>')
	b = now.AppendFormat(b, time.Stamp)
	b = append(b, ' ')
	b = append(b, w.Tag...)
	if w.PID != 0 {
		b = append(b, '[')
		b = strconv.AppendInt(b, int64(w.PID), 10)
		b = append(b, ']')
	}
	b = append(b, ": "...)
	return appendClean(b, text)
}

func appendClean(b []byte, s string) []byte {
	for i := 0; i < len(s) && len(b) < maxMessage; i++ {
		c := s[i]
		if c < ' ' || c == 0x7f {
			b = append(b, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
			continue
		}
		b = append(b, c)
	}
	return b
}
