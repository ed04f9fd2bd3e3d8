package tcprules

import (
	"bytes"
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"doorward/acl"
	"doorward/acl/cdb"
)

// Decide returns what the rule for the client says. It asks for the user and
// for the name only when it gets to a step that needs them and there are rules
// they could lead to; any answer but Found means that there is none. A client
// without an address, on a UNIX socket, has rules for names and the empty one.
func (r *Rules) Decide(q *acl.Request) acl.Decision {
	s := search{Rules: r, q: q, addr: q.Remote.Addr()}
	var text [46]byte // the longest there is
	switch {
	case !s.addr.IsValid():
	case s.addr.Unmap().Is4() && !r.form6:
		s.ip = s.addr.Unmap().AppendTo(text[:0])
	default:
		s.ip = acl.AppendIP6(text[:0], s.addr)
	}
	d, _ := s.decide()
	return d
}

// Lookup returns the key of the rule for a client, and what it says, for an
// address in whatever spelling, as tcprulescheck(1) has it. The user and the
// name come from q, as for Decide; its addresses do not count.
func (r *Rules) Lookup(ip string, q *acl.Request) (key string, d acl.Decision, ok bool) {
	addr, _ := netip.ParseAddr(ip)
	s := search{Rules: r, q: q, ip: []byte(ip), addr: addr}
	d, ok = s.decide()
	return string(s.rec.Key), d, ok
}

func (s *search) decide() (d acl.Decision, ok bool) {
	if !s.run() {
		return acl.Decision{}, false
	}
	if s.err != nil { // mapped memory that was written to since it was checked
		note := acl.Note{Pos: acl.Pos{File: s.name}, Err: true, Text: s.err.Error()}
		return acl.Decision{Verdict: acl.Deny, Rule: note.Pos, Notes: []acl.Note{note}}, true
	}
	d.Rule = s.pos(s.rec)
	d.Env, d.Verdict = instructions(s.rec.Value)
	if d.Verdict == acl.Deny {
		d.Env = nil // nothing is going to run
	}
	return d, true
}

// pos says where a rule is: in which line of a text, or of which key.
func (r *Rules) pos(rec cdb.Record) acl.Pos {
	if r.lines == nil {
		return acl.Pos{File: r.name, Key: strconv.Quote(string(rec.Key))}
	}
	i, _ := slices.BinarySearchFunc(r.lines, rec.Pos, func(l line, pos uint32) int { return cmp.Compare(l.pos, pos) })
	return acl.Pos{File: r.name, Line: int(r.lines[i].number)}
}

// instructions reads a value of the database: D denies, +NAME=VALUE sets a
// variable, and each is ended by a zero byte. Anything else means nothing, as
// in tcpserver(1).
func instructions(value []byte) (env []acl.Setenv, v acl.Verdict) {
	v = acl.Allow
	if n := bytes.Count(value, []byte{'+'}); n > 0 {
		env = make([]acl.Setenv, 0, n)
	}
	for rest := string(value); ; {
		word, after, ok := strings.Cut(rest, "\x00")
		if !ok {
			return env, v
		}
		rest = after
		if strings.HasPrefix(word, "D") {
			v = acl.Deny
			continue
		}
		setting, plus := strings.CutPrefix(word, "+")
		if name, val, ok := strings.Cut(setting, "="); plus && ok {
			env = append(env, acl.Setenv{Name: name, Value: val})
		}
	}
}
