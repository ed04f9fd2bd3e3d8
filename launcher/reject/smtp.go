package reject

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"time"

	"doorward/acl"
)

// What one session may cost. No mail server comes near any of it.
const (
	maxBytes    = 1 << 20 // read from the client
	maxCommands = 1000    // answered
	maxLine     = 1024    // of a command looked at; the rest of the line is skipped
	maxReported = 10      // recipients passed to Options.Refused
)

// ErrTooMuch means that a client was left because it sent more than a mail
// server would: over 1 MiB or 1000 commands.
var ErrTooMuch = errors.New("client sent too much")

// Options of a refusal. The zero Options are rblsmtpd's.
type Options struct {
	Timeout time.Duration // of the whole session; 0 means DefaultTimeout
	Host    string        // the name to greet with; empty means rblsmtpd.local

	// AtOnce says the refusal in place of the greeting, and is done
	// (rblsmtpd -t 0).
	AtOnce bool

	// Refused, if not nil, is called for each of the first 10 recipients that
	// were refused, before the client is told.
	Refused func(Attempt)
}

// An Attempt is the envelope of a message that was refused, as the client gave
// it: printable ASCII without spaces, each at most 256 bytes; other bytes
// became question marks.
type Attempt struct {
	Helo string // argument of HELO or EHLO; empty: none was said
	From string // address of MAIL, without its angle brackets
	To   string // address of RCPT
}

// SMTP refuses the client on rw with reply. It returns nil when the client has
// quit or hung up, ErrTooMuch, or the error of reading or writing; the latter
// is os.ErrDeadlineExceeded when time was up. It does not close rw.
//
// The time is bounded by rw.SetDeadline. Where rw has no such method, or it
// does not work as on descriptor 0, bounding the time is up to the caller.
func SMTP(rw io.ReadWriter, reply acl.Reply, o Options) error {
	setDeadline(rw, o.Timeout)
	if o.AtOnce {
		_, err := io.WriteString(rw, Line(reply)+"\r\n")
		return err
	}
	s := session{w: bufio.NewWriterSize(rw, 512), refusal: Line(reply), host: "rblsmtpd.local", refused: o.Refused}
	if o.Host != "" {
		s.host = printable(o.Host, 255, '!')
	}
	s.limit = io.LimitedReader{R: rw, N: maxBytes}
	s.r = bufio.NewReaderSize(flusher{&s}, maxLine)
	err := s.serve()
	if ferr := s.w.Flush(); err == nil {
		err = ferr
	}
	return err
}

type session struct {
	limit   io.LimitedReader
	r       *bufio.Reader
	w       *bufio.Writer
	refusal string
	host    string

	seen     Attempt
	reported int
	refused  func(Attempt)
}

// A flusher reads from the client, but first sends it the replies that wait:
// commands sent in one piece are answered in one piece.
type flusher struct{ *session }

func (f flusher) Read(p []byte) (int, error) {
	if err := f.w.Flush(); err != nil {
		return 0, err
	}
	return f.limit.Read(p)
}

func (s *session) serve() error {
	s.answer("220", s.host)
	for range maxCommands {
		line, err := s.line()
		if err == io.EOF && s.limit.N > 0 {
			return nil // a command without an end is none
		}
		if err == io.EOF {
			return ErrTooMuch
		}
		if err != nil {
			return err
		}
		if quit := s.command(line); quit {
			return nil
		}
	}
	return ErrTooMuch
}

// line returns the next command, at most maxLine bytes of it, without its LF
// or CRLF.
func (s *session) line() ([]byte, error) {
	line, err := s.r.ReadSlice('\n')
	if err == nil {
		return bytes.TrimSuffix(line[:len(line)-1], []byte{'\r'}), nil
	}
	if err != bufio.ErrBufferFull {
		return nil, err
	}
	line = bytes.Clone(line) // the next read overwrites it
	for err == bufio.ErrBufferFull {
		_, err = s.r.ReadSlice('\n')
	}
	return line, err
}

// command answers one command, and reports whether it was the last.
func (s *session) command(line []byte) (quit bool) {
	verb, arg, _ := strings.Cut(string(line), " ")
	switch upper(verb) {
	case "HELO", "EHLO":
		s.seen = Attempt{Helo: clean(arg)}
		s.answer("250", s.host)
	case "MAIL":
		s.seen.From = address(arg, "FROM:")
		s.answer("250", s.host)
	case "RSET":
		s.seen.From = ""
		s.answer("250", s.host)
	case "NOOP":
		s.answer("250", s.host)
	case "QUIT":
		s.answer("221", s.host)
		return true
	case "RCPT":
		s.report(address(arg, "TO:"))
		fallthrough
	default:
		s.w.WriteString(s.refusal)
		s.w.WriteString("\r\n")
	}
	return false
}

// answer writes a reply; an error stays in s.w and comes out of Flush.
func (s *session) answer(code, text string) {
	s.w.WriteString(code)
	s.w.WriteByte(' ')
	s.w.WriteString(text)
	s.w.WriteString("\r\n")
}

func (s *session) report(to string) {
	if s.refused == nil || s.reported == maxReported {
		return
	}
	s.reported++
	s.seen.To = to
	s.refused(s.seen)
}

// upper returns a verb of ASCII letters in upper case, and "" for a verb that
// is none of ours for its length alone.
func upper(verb string) string {
	if len(verb) != 4 {
		return ""
	}
	var b [4]byte
	for i := range b {
		b[i] = verb[i]
		if 'a' <= b[i] && b[i] <= 'z' {
			b[i] -= 'a' - 'A'
		}
	}
	return string(b[:])
}

// address returns the address in the argument of MAIL or RCPT: what is within
// angle brackets, else the first word.
func address(arg, keyword string) string {
	if len(arg) >= len(keyword) && strings.EqualFold(arg[:len(keyword)], keyword) {
		arg = arg[len(keyword):]
	}
	arg = strings.TrimLeft(arg, " ")
	if rest, ok := strings.CutPrefix(arg, "<"); ok {
		arg, _, _ = strings.Cut(rest, ">")
	} else {
		arg, _, _ = strings.Cut(arg, " ")
	}
	return clean(arg)
}

// clean makes what a client said fit for a log.
func clean(s string) string { return printable(strings.Trim(s, " "), 256, '!') }
