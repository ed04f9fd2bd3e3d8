package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// Replies. The first is qmail-smtpd's, to the letter: people search their logs
// for it.
var (
	errRelay = &smtp.SMTPError{
		Code:         553,
		EnhancedCode: smtp.NoEnhancedCode,
		Message:      "sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)",
	}
	errBareReply = &smtp.SMTPError{
		Code:         550,
		EnhancedCode: smtp.EnhancedCode{5, 5, 2},
		Message:      "a line ends with CR LF and nothing else",
	}
	errLongReply = &smtp.SMTPError{
		Code:         554,
		EnhancedCode: smtp.EnhancedCode{5, 6, 0},
		Message:      "a line of the message is too long",
	}
	errStore = &smtp.SMTPError{
		Code:         451,
		EnhancedCode: smtp.EnhancedCode{4, 3, 0},
		Message:      "cannot store the message, try again later",
	}
)

// A client is what the program before us found out about the other end.
type client struct {
	ip, host, info string // empty: not known
	relay          bool   // RELAYCLIENT is set
	suffix         string // to what: appended to each recipient
}

func clientFromEnv(lookup func(string) (string, bool)) client {
	get := func(name string) string { v, _ := lookup(name); return v }
	suffix, relay := lookup("RELAYCLIENT")
	return client{
		ip:     get("TCPREMOTEIP"),
		host:   get("TCPREMOTEHOST"),
		info:   get("TCPREMOTEINFO"),
		relay:  relay,
		suffix: suffix,
	}
}

// A backend takes the mail of one connection.
type backend struct {
	hostname   string
	hosts      rcpthosts
	maildir    maildir
	client     client
	delivering sync.WaitGroup // with BDAT, go-smtp calls Data in a goroutine it does not wait for
}

func (b *backend) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &session{backend: b, helo: c.Hostname}, nil
}

// A session is what the client has said so far.
type session struct {
	*backend
	helo       func() string // asked when needed: a second HELO may change it
	from       string
	recipients []string
}

func (s *session) Reset()        { s.from, s.recipients = "", nil }
func (s *session) Logout() error { return nil }

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if !s.client.relay && !s.hosts.Has(to) {
		log.Printf("%s: %q refused: not in rcpthosts, and RELAYCLIENT is not set", safe(s.client.ip), to)
		return errRelay
	}
	s.recipients = append(s.recipients, to+s.client.suffix)
	return nil
}

func (s *session) Data(r io.Reader) error {
	s.delivering.Add(1)
	defer s.delivering.Done()

	name, err := s.maildir.Deliver(io.MultiReader(bytes.NewReader(s.header(time.Now())), unixLines{r}))
	if err != nil {
		log.Printf("%s: message from %q: %v", safe(s.client.ip), s.from, err)
		return dataError(err)
	}
	log.Printf("%s: message from %q to %q: new/%s", safe(s.client.ip), s.from, s.recipients, name)
	return nil
}

// dataError chooses the reply to a message that was not stored.
func dataError(err error) error {
	var known *smtp.SMTPError
	switch {
	case errors.Is(err, errBareCRLF):
		return errBareReply
	case errors.Is(err, smtp.ErrTooLongLine):
		return errLongReply
	case errors.As(err, &known):
		return known // too large
	}
	return errStore
}

// header returns the lines put before the message: the envelope, and the trace
// RFC 5321 (4.4) asks for, in qmail-smtpd's form.
func (s *session) header(now time.Time) []byte {
	var h bytes.Buffer
	fmt.Fprintf(&h, "Return-Path: <%s>\n", printable(s.from))
	for _, to := range s.recipients {
		fmt.Fprintf(&h, "Delivered-To: %s\n", printable(to))
	}
	fmt.Fprintf(&h, "Received: from %s (HELO %s) (%s)\n  by %s with SMTP; %s\n",
		orUnknown(s.client.host), safe(s.helo()), who(s.client),
		safe(s.hostname), now.Format(time.RFC1123Z))
	return h.Bytes()
}

func who(c client) string {
	if c.info == "" {
		return orUnknown(c.ip)
	}
	return safe(c.info) + "@" + orUnknown(c.ip)
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return safe(s)
}

// maxWord is the longest word of a Received line, in bytes: a domain's length
// and no more, so that no line outgrows RFC 5322.
const maxWord = 255

// safe makes a word fit for a Received line, as qmail-smtpd does: what is not
// part of a name, an address or a literal becomes ?, so that nobody can end the
// line, or the comment, and write one of their own.
func safe(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		case strings.ContainsRune(".@%+/=:-[]", r):
			return r
		}
		return '?'
	}, s[:min(len(s), maxWord)])
}

// printable keeps an envelope address on its line. An address may be any text
// between CR LFs; RELAYCLIENT any text at all.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}

// unixLines reads lines that end with LF from lines that end with CR LF. The
// connection has no CR elsewhere, see strictConn.
type unixLines struct{ r io.Reader }

func (u unixLines) Read(b []byte) (int, error) {
	n, err := u.r.Read(b)
	kept := b[:0]
	for _, x := range b[:n] {
		if x != '\r' {
			kept = append(kept, x)
		}
	}
	return len(kept), err
}
