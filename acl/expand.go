package acl

import (
	"errors"
	"strconv"
	"strings"
)

// maxExpansion is one more than the longest text Expand returns: the size of
// tcp_wrappers' buffer, less its NUL.
const maxExpansion = 8191

// ErrTooLong is the error of an expansion of 8191 bytes or more, which
// tcp_wrappers gives up on: nothing was expanded, and the client is not served.
var ErrTooLong = errors.New("%-expansion too long")

// Expand replaces the %-sequences of hosts_access(5) in s:
//
//	%a %A  address of the client, of the server
//	%h %H  name of the client, of the server, if asked for already; else the address
//	%n %N  name of the client, of the server, "unknown" or "paranoid"
//	%u     user name of the client, or "unknown"
//	%c     user@host of the client, as much as is known already
//	%s     daemon@host of the server, likewise
//	%d     name of the daemon
//	%r %R  port of the client, of the server; 0 if unknown
//	%p     process id
//	%%     a percent sign
//
// %n, %N and %u ask for what they stand for; the others ask for nothing. A
// sequence that is not in the list vanishes (see [UnknownEscapes]), and a
// single percent sign at the end stays.
//
// The client chooses its names, and the result goes to a shell: bytes outside
// letters, digits and !@%-_=+:,./ become underscores in what is put in, and
// r remembers the clean name instead of the one it was told, for logs too. The
// text of s itself comes from whoever keeps the rules and is left alone.
//
// The only error is [ErrTooLong].
func Expand(r *Request, s string) (string, error) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, "%")
		b.WriteString(before)
		if found && rest == "" {
			b.WriteByte('%')
		}
		if rest == "" {
			break
		}
		text := escape(r, rest[0])
		b.WriteString(text)
		s = rest[1:]
		if b.Len() >= maxExpansion {
			break
		}
	}
	if b.Len() >= maxExpansion {
		return "", ErrTooLong
	}
	return b.String(), nil
}

// UnknownEscapes returns the sequences in s that Expand does not know, such as
// "%x", in order.
func UnknownEscapes(s string) []string {
	var unknown []string
	for {
		_, rest, _ := strings.Cut(s, "%")
		if rest == "" {
			return unknown
		}
		if strings.IndexByte("aAcdhHnNprRsu%", rest[0]) < 0 {
			unknown = append(unknown, "%"+rest[:1])
		}
		s = rest[1:]
	}
}

// escape returns what %c stands for, nothing if c is unknown.
func escape(r *Request, c byte) string {
	switch c {
	case 'a':
		return clean(ClientAddr(r))
	case 'A':
		return clean(ServerAddr(r))
	case 'c':
		cleanKnown(r, Name) // a lone host is the stored name itself
		return clean(ClientName(r))
	case 'd':
		return clean(r.Daemon)
	case 'h':
		cleanKnown(r, Name)
		return clean(hostText(r, Name, ClientAddr))
	case 'H':
		cleanKnown(r, LocalName)
		return clean(hostText(r, LocalName, ServerAddr))
	case 'n':
		return cleanName(r, Name)
	case 'N':
		return cleanName(r, LocalName)
	case 'p':
		return strconv.Itoa(r.PID)
	case 'r':
		return strconv.Itoa(int(r.Remote.Port()))
	case 'R':
		return strconv.Itoa(int(r.Local.Port()))
	case 's':
		return clean(ServerName(r))
	case 'u':
		return cleanUser(r)
	case '%':
		return "%"
	}
	return ""
}

// cleanName returns the clean name of a host and has r remember it.
func cleanName(r *Request, k Kind) string {
	name := HostName(r, k)
	return remember(r, k, name)
}

// cleanKnown cleans the name of a host if it has been asked for.
func cleanKnown(r *Request, k Kind) {
	if _, known := r.Known(k, ""); known {
		cleanName(r, k)
	}
}

func cleanUser(r *Request) string { return remember(r, Ident, User(r)) }

// remember replaces what r knows by its clean form, if that is different.
func remember(r *Request, k Kind, text string) string {
	if c := clean(text); c != text {
		r.Learn(k, "", Answer{Status: Found, Text: c})
		return c
	}
	return text
}

// clean replaces every byte a shell could take for more than a letter.
func clean(s string) string {
	if strings.IndexFunc(s, unsafeRune) < 0 {
		return s
	}
	b := []byte(s)
	for i, c := range b {
		if unsafeRune(rune(c)) {
			b[i] = '_'
		}
	}
	return string(b)
}

func unsafeRune(c rune) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return false
	}
	return c >= 0x80 || strings.IndexByte("!@%-_=+:,./", byte(c)) < 0
}
