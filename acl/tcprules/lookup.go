package tcprules

import (
	"bytes"
	"net/netip"

	"doorward/acl"
	"doorward/acl/cdb"
)

// A search looks for the rule of one client. Each of its steps reports whether
// it ended the search: there is a rule, or the database could not be read.
type search struct {
	*Rules
	q    *acl.Request // for the facts
	ip   []byte       // the address as the keys spell it; nil: unknown
	addr netip.Addr   // the same as a number; may be invalid

	key []byte // room for keys
	rec cdb.Record
	err error
}

// run takes the steps in the order of tcpserver(1).
func (s *search) run() bool {
	return s.ip != nil && (s.userAtAddress() || s.userAtName() || s.try(s.ip)) ||
		s.nameItself() ||
		s.ip != nil && s.beginnings() ||
		s.endsOfName() ||
		s.anyName() ||
		s.try(nil)
}

// try looks for a key.
func (s *search) try(key []byte) bool {
	rec, ok, err := s.db.Find(key)
	s.rec, s.err = rec, err
	return ok || err != nil
}

func (s *search) userAtAddress() bool {
	return s.facts.usersAt(s.ip) && s.userAt(s.ip)
}

func (s *search) userAtName() bool {
	if !s.facts.userAtName {
		return false
	}
	name, ok := s.fact(acl.Name)
	if !ok {
		return false
	}
	place := append([]byte{'='}, name...)
	return s.facts.usersAt(place) && s.userAt(place)
}

// userAt looks for the rule of the client's user at a place.
func (s *search) userAt(place []byte) bool {
	user, ok := s.fact(acl.Ident)
	if !ok {
		return false
	}
	s.key = append(append(append(s.key[:0], user...), '@'), place...)
	return s.try(s.key)
}

// fact returns what is known for certain. An empty text is something known:
// the client's ident server may answer without naming a user.
func (s *search) fact(k acl.Kind) (text string, ok bool) {
	a := s.q.Get(k, "")
	return a.Text, a.Status == acl.Found
}

// hostName returns the host name, and false if there is none or no rule for one.
func (s *search) hostName() (name string, ok bool) {
	if !s.facts.name {
		return "", false
	}
	return s.fact(acl.Name)
}

func (s *search) nameItself() bool {
	name, ok := s.hostName()
	return ok && s.tryName(name)
}

func (s *search) endsOfName() bool {
	name, _ := s.hostName()
	for i := range len(name) {
		if name[i] == '.' && s.tryName(name[i:]) {
			return true
		}
	}
	return false
}

func (s *search) anyName() bool {
	_, ok := s.hostName()
	return ok && s.tryName("")
}

func (s *search) tryName(name string) bool {
	s.key = append(append(s.key[:0], '='), name...)
	return s.try(s.key)
}

// beginnings looks for the beginnings of the address, the longest first, down
// to the length of the longest prefix in bits that has a rule, and then takes
// that one.
func (s *search) beginnings() bool {
	longest, ok := s.longestNet()
	for i := len(s.ip) - 1; i > 0; i-- {
		if s.ip[i-1] != '.' && s.ip[i-1] != ':' {
			continue
		}
		if ok && bitsBefore(s.ip, i) < s.netBits(longest) {
			break
		}
		if s.try(s.ip[:i]) {
			return true
		}
	}
	if !ok {
		return false
	}
	s.rec, s.err = s.db.At(longest.pos)
	return true
}

// longestNet returns the longest prefix in bits around the address that has a
// rule; of several rules for it the first.
func (s *search) longestNet() (longest net, ok bool) {
	if s.nets == nil {
		return net{}, false
	}
	var few [8]net
	for _, n := range s.nets.Covering(few[:0], s.addr) {
		if !ok || n.bits > longest.bits {
			longest, ok = n, true
		}
	}
	return longest, ok
}

// netBits is the length of n as part of the text of the address.
func (s *search) netBits(n net) int {
	if s.addr.Unmap().Is4() && bytes.IndexByte(s.ip, ':') >= 0 {
		return 96 + int(n.bits)
	}
	return int(n.bits)
}

// bitsBefore returns how many bits of the address ip its first i bytes stand
// for; they end in a dot or a colon. The groups that :: leaves out count only if
// both of its colons are among the first i bytes.
func bitsBefore(ip []byte, i int) int {
	before, after := ip[:i], ip[i:]
	bits := 32
	if bytes.IndexByte(ip, ':') >= 0 {
		bits = 128
	}
	if before[i-1] == '.' {
		return bits - 8*(bytes.Count(after, []byte{'.'})+1)
	}
	if i == 1 {
		return 0 // the first half of a :: at the very beginning
	}
	if after[0] == ':' || bytes.Contains(after, []byte("::")) {
		return 16 * bytes.Count(before, []byte{':'})
	}
	if bytes.IndexByte(after, '.') >= 0 {
		bits -= 16 // what ends in an IPv4 address ends in two groups
	}
	return bits - 16*(bytes.Count(after, []byte{':'})+1)
}
