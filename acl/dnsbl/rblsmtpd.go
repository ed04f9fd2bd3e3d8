package dnsbl

import (
	"cmp"
	"strings"

	"doorward/acl"
)

// Rblsmtpd is rblsmtpd(1): its options in the order of the command line, acted
// on until one decides. The zero Rblsmtpd refuses nobody.
//
// Unlike [Lists] it takes any TXT record for a listing and does not look at A
// records, so a list that explains in a TXT record why it refuses to answer
// refuses all clients. A Step with a Zone is the way out: it is read as Lists
// reads it. The questions are asked one after the other.
type Rblsmtpd []Step

// A Step is one option.
type Step struct {
	Op   Op
	Base string // the zone of Block and Allow, in any spelling

	// Zone, if not nil, is asked instead of Base, and its codes tell a listing
	// from the rest. Only the sign of its weight counts: below 0 it is read as
	// an allow list. This is not in the original.
	Zone *Zone
}

// An Op is the letter of an option.
type Op byte

const (
	Block      Op = 'r' // a TXT record under Base refuses the client with that text
	Allow      Op = 'a' // an A record under Base lets the client past the later options
	ForGood    Op = 'b' // later Block steps refuse for good (553)
	ForNow     Op = 'B' // later Block steps refuse for now (451): the default
	FailClosed Op = 'c' // if a later Block fails, refuse for now; a later Allow that fails is ignored
	FailOpen   Op = 'C' // if a later Block fails, ignore it; a later Allow that fails lets past: the default
)

// lookupError is what rblsmtpd says where FailClosed met a failure.
const lookupError = "temporary RBL lookup error"

// Decide acts on the steps. Once a look-up failed no refusal is for good, so
// that a fault of the network never bounces mail.
func (steps Rblsmtpd) Decide(r *acl.Request) acl.Decision {
	if d, ok := fromEnv(r, MaxRblsmtpd); ok {
		return d
	}
	var permanent, closed, failed bool
	for _, s := range steps {
		switch s.Op {
		case ForGood, ForNow:
			permanent = s.Op == ForGood
		case FailClosed, FailOpen:
			closed = s.Op == FailClosed
		case Allow:
			switch s.ask(r).Status {
			case acl.Found:
				return acl.Decision{}
			case acl.Failed, acl.Unknown:
				failed = true
				if !closed {
					return acl.Decision{}
				}
			}
		case Block:
			a := s.ask(r)
			failed = failed || a.Status == acl.Failed || a.Status == acl.Unknown
			if d, ok := s.refuse(a, permanent && !failed, closed); ok {
				return d
			}
		}
	}
	return acl.Decision{}
}

// ask asks the list of a Block or Allow.
func (s Step) ask(r *acl.Request) acl.Answer {
	if s.Zone == nil {
		return r.Get(acl.Listed, Question{Zone: s.Base, A: s.Op == Allow, TXT: s.Op == Block}.Arg())
	}
	o := s.Zone.Judge(r.Get(acl.Listed, s.Zone.Name))
	switch {
	case o.Listed:
		return acl.Answer{Status: acl.Found, Text: Listing{Text: cmp.Or(o.Text, "listed by "+s.Zone.Name)}.String()}
	case o.Heard:
		return acl.Answer{Status: acl.Absent}
	}
	return acl.Answer{Status: acl.Failed}
}

// refuse returns the refusal that a, the answer of a Block, calls for, if any.
func (s Step) refuse(a acl.Answer, permanent, closed bool) (acl.Decision, bool) {
	var reply acl.Reply
	switch a.Status {
	case acl.Found:
		_, text, _ := strings.Cut(a.Text, "\n")
		reply = acl.Reply{Text: Printable(text, MaxRblsmtpd), Temporary: !permanent}
	case acl.Failed, acl.Unknown:
		if closed {
			reply = acl.Reply{Text: lookupError, Temporary: true}
		}
	}
	if reply.Text == "" {
		return acl.Decision{}, false // not listed; an empty TXT record lists nobody
	}
	return acl.Decision{Verdict: acl.Deny, Reply: reply, Rule: acl.Pos{File: "-r " + s.Base}}, true
}
