// Package reject tells refused clients so, in their own protocol.
//
// A mail server that is just cut off tries again at once, and its postmaster
// never learns why. So [SMTP] plays a mail server that refuses everything: it
// greets, answers HELO and MAIL as if all was well, and refuses each recipient
// with the reason. Mail bounces (553) or stays in the client's queue (451), and
// sender and recipient are known for the log. The dialogue is rblsmtpd's to
// the letter:
//
//	220 rblsmtpd.local
//	HELO mx.example.net
//	250 rblsmtpd.local
//	MAIL FROM:<a@example.net>
//	250 rblsmtpd.local
//	RCPT TO:<b@example.org>
//	451 Listed, see https://list.example/192.0.2.7
//	QUIT
//	221 rblsmtpd.local
//
// HELO, EHLO, MAIL, RSET and NOOP are answered with 250, QUIT with 221, and
// everything else, such as DATA, STARTTLS or an empty line, with the refusal.
// The verb ends at the first space; a tab is part of it.
//
// Nothing that the client says comes back to it, and nothing it can say makes
// the session last: the time of the whole session, the bytes and the commands
// are bounded.
//
// [Banner] is for services without a protocol of their own for refusals.
package reject

import (
	"io"
	"os"
	"time"

	"doorward/acl"

	"golang.org/x/sys/unix"
)

// DefaultTimeout is how long a refused client is talked to, in all.
const DefaultTimeout = 60 * time.Second

// maxText keeps a reply within the 512 bytes of a line, with its code and its
// end (RFC 5321, 4.5.3.1.5).
const maxText = 512 - len("451 ") - len("\r\n")

// Line returns reply as a line of SMTP without its end: "451 " and the text if
// the client may try again, else "553 " and the text. Bytes that are not
// printable ASCII become a question mark, so that the text cannot become two
// lines.
func Line(reply acl.Reply) string {
	if reply.Temporary {
		return "451 " + printable(reply.Text, maxText, ' ')
	}
	return "553 " + printable(reply.Text, maxText, ' ')
}

// printable returns the first n bytes of s with a ? for each byte that is not
// within first to '~'.
func printable(s string, n int, first byte) string {
	b := []byte(s[:min(len(s), n)])
	for i, c := range b {
		if c < first || c > '~' {
			b[i] = '?'
		}
	}
	return string(b)
}

// Banner writes text as it is, within timeout; 0 means DefaultTimeout. It is
// what tcpserver -B, the banners of hosts_options(5) and those of
// xinetd.conf(5) show.
func Banner(w io.Writer, text string, timeout time.Duration) error {
	setDeadline(w, timeout)
	_, err := io.WriteString(w, text)
	return err
}

// Descriptor returns fd, a socket that this process accepted and shares with
// nobody, as something that SMTP and Banner can set a deadline for. Closing it
// closes fd. A descriptor that came from outside, such as 0, is shared: it
// must not be made non-blocking, and so must not be given to Descriptor.
func Descriptor(fd int) (*os.File, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fd), "client"), nil
}

// setDeadline bounds what is read from and written to v, if v knows deadlines.
func setDeadline(v any, timeout time.Duration) {
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	if d, ok := v.(interface{ SetDeadline(time.Time) error }); ok {
		d.SetDeadline(time.Now().Add(timeout)) // an error means that it knows none
	}
}
