package lookup

import "bytes"

// What tcp_wrappers and the ucspi programs make of an ident reply differs
// from RFC 1413 and from each other. Both are read here as they read them, and
// what they return is what the client's machine chose to say.

// maxWrappersReply is how much of a reply tcp_wrappers looks at.
const maxWrappersReply = 511

// WrappersUser reads an ident reply as tcp_wrappers does: one line of
//
//	REMOTE , LOCAL : USERID : system : user
//
// with the ports of the connection. The keyword is in capitals, the system
// not empty, and the user is the first word after it, cut to 127 bytes. It is
// empty for anything else, such as an ERROR. Done is false as long as the
// line has no end and may go on.
func WrappersUser(reply []byte, remote, local uint16) (user string, done bool) {
	if i := bytes.IndexByte(reply, '\n'); i >= 0 {
		reply = reply[:i+1]
	} else if len(reply) < maxWrappersReply {
		return "", false
	}
	if len(reply) > maxWrappersReply {
		reply = reply[:maxWrappersReply]
	}
	if i := bytes.IndexByte(reply, 0); i >= 0 {
		reply = reply[:i] // the end of a C string
	}
	s := scanner{reply, true}
	if got := s.number(); !s.ok || got != uint32(remote) {
		return "", true
	}
	s.word(",")
	if got := s.number(); !s.ok || got != uint32(local) {
		return "", true
	}
	s.word(":")
	s.word("USERID")
	s.word(":")
	s.system()
	word := s.text()
	if !s.ok {
		return "", true
	}
	return string(word[:min(len(word), maxWrapped)]), true
}

// A scanner reads as sscanf(3) does. It is not ok after the first thing that
// is not there.
type scanner struct {
	rest []byte
	ok   bool
}

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

func (s *scanner) blanks() {
	for len(s.rest) > 0 && isSpace(s.rest[0]) {
		s.rest = s.rest[1:]
	}
}

// word reads blanks and then w.
func (s *scanner) word(w string) {
	s.blanks()
	rest, ok := bytes.CutPrefix(s.rest, []byte(w))
	s.rest, s.ok = rest, s.ok && ok
}

// number reads %u: a sign is allowed, and what does not fit wraps or becomes
// the highest number.
func (s *scanner) number() uint32 {
	s.blanks()
	negative := false
	if len(s.rest) > 0 && (s.rest[0] == '+' || s.rest[0] == '-') {
		negative = s.rest[0] == '-'
		s.rest = s.rest[1:]
	}
	n, digits, over := uint64(0), 0, false
	for len(s.rest) > 0 && '0' <= s.rest[0] && s.rest[0] <= '9' {
		d := uint64(s.rest[0] - '0')
		over = over || n > (1<<64-1-d)/10
		n = n*10 + d
		s.rest, digits = s.rest[1:], digits+1
	}
	s.ok = s.ok && digits > 0
	switch {
	case over:
		return 1<<32 - 1
	case negative:
		return uint32(-n)
	}
	return uint32(n)
}

// system reads %*[^:] and the colon after it.
func (s *scanner) system() {
	i := bytes.IndexByte(s.rest, ':')
	if i < 1 {
		s.ok = false
		return
	}
	s.rest = s.rest[i+1:]
}

// text reads %255s: a word that is not empty.
func (s *scanner) text() []byte {
	s.blanks()
	n := 0
	for n < len(s.rest) && n < 255 && !isSpace(s.rest[n]) {
		n++
	}
	s.ok = s.ok && n > 0
	return s.rest[:n]
}

// How many bytes of a user the programs keep.
const (
	TCPServerUser = 257
	TCPEnvUser    = 998
)

// UCSPIUser reads an ident reply as tcpserver does, which keeps max bytes: it
// is what stands after the third colon of the line, without blanks, tabs and
// carriage returns. Keyword and ports are not looked at, so an ERROR is a
// user with an empty name. Done is false as long as neither the line nor the
// room has come to an end.
func UCSPIUser(reply []byte, max int) (user string, done bool) {
	colons, name := 0, make([]byte, 0, 64)
	for _, c := range reply {
		switch {
		case c == '\n':
			return cString(name), true
		case c == ' ' || c == '\t' || c == '\r':
		case colons < 3:
			if c == ':' {
				colons++
			}
		default:
			if name = append(name, c); len(name) == max {
				return cString(name), true
			}
		}
	}
	return "", false
}

// cString is what an environment can hold of b.
func cString(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}
