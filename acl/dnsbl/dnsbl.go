// Package dnsbl decides about clients by DNS lists.
//
// A DNS list publishes addresses through the DNS (RFC 5782). Whether list
// zen.example.net has 192.0.2.7 is asked as the name
// 7.2.0.192.zen.example.net: no such name means not listed, an A record
// within 127.0.0.0/8 means listed and says why, and a TXT record beside it is
// meant for the client's eyes.
//
// The package holds two policies. [Lists] is the one to use: several block and
// allow lists with weights and a threshold, and a reading of the answers that
// does not take a list's cry for help for a listing. [Rblsmtpd] is what
// rblsmtpd(1) does with its options, for those who rely on it.
//
// Both follow rblsmtpd's convention for the variable RBLSMTPD, if an earlier
// policy set it: empty lets the client past all lists; any other text refuses
// the client with it, for now, or, if it begins with a hyphen, for good.
//
// A list that does not answer, answers nonsense or refuses to answer lists
// nobody: see [Zone.Judge]. A DNS list never lets anybody in either; an
// allow list only weighs against the block lists, so the verdicts are
// [acl.Pass] and [acl.Deny].
//
// The package asks no server. It asks for the fact [acl.Listed] with the zone
// (see [Question]) and expects the answer to read as [Listing] says;
// launcher/lookup is what goes to the network.
package dnsbl

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"doorward/acl"
)

// An Action says what becomes of a client whom enough lists have. The zero
// Action is Refuse.
type Action uint8

const (
	Refuse Action = iota // keep it out, with a reply
	Tag                  // let it in, and tell the daemon in RBLSMTPD and DNSBL_RESULT
	Log                  // let it in, with a note of what Refuse would have said
)

// ParseAction returns the action called s: "refuse", "tag" or "log".
func ParseAction(s string) (Action, error) {
	switch s {
	case "refuse":
		return Refuse, nil
	case "tag":
		return Tag, nil
	case "log":
		return Log, nil
	}
	return Refuse, errors.New("want refuse, tag or log")
}

// Lists is a policy of weighted lists: a client is refused when the weights of
// the lists that have it add up to Threshold. The zero Lists passes everybody.
type Lists struct {
	Zones     []Zone   // in the order to ask them
	Threshold int      // 0 means 1
	Action    Action   // what becomes of a listed client
	Template  Template // the reply; empty: the list's own text
	Temporary bool     // refuse for now (4xx) rather than for good (5xx)
}

// Check returns an error if no client could ever be refused, or if the
// threshold is below 1.
func (l *Lists) Check() error {
	if l.Threshold < 0 {
		return fmt.Errorf("threshold %d is below 1", l.Threshold)
	}
	sum := 0
	for i := range l.Zones {
		sum += max(l.Zones[i].Weight, 0)
	}
	if sum < l.threshold() {
		return fmt.Errorf("threshold %d is above %d, the weights of all lists", l.threshold(), sum)
	}
	return nil
}

func (l *Lists) threshold() int {
	if l.Threshold == 0 {
		return 1
	}
	return l.Threshold
}

// Decide asks the lists one after the other until no further answer could
// change the outcome. Lists that failed appear in the notes.
//
// Nobody is asked about a client that an earlier policy lets relay.
//
// A refusal is for good only if it would stand whatever the lists that did
// not answer had said.
func (l *Lists) Decide(r *acl.Request) acl.Decision {
	if _, relays := r.Getenv("RELAYCLIENT"); relays {
		return acl.Decision{} // a friend, whose dial-up address is in half of all lists
	}
	if d, ok := fromEnv(r, MaxReply); ok {
		if l.Action != Refuse {
			return acl.Decision{} // the daemon finds RBLSMTPD as it is
		}
		return d
	}
	if !r.Remote.Addr().IsValid() {
		return acl.Decision{}
	}
	t := l.tally()
	for i := range l.Zones {
		if t.settled() {
			break
		}
		t.add(&l.Zones[i], r.Get(acl.Listed, l.Zones[i].Name))
	}
	return l.decide(r, &t)
}

// Settled reports whether the answers known so far decide, so that whoever
// asks all lists at once can stop waiting for the rest and leave them Unknown.
func (l *Lists) Settled(known func(zone string) (acl.Answer, bool)) bool {
	t := l.tally()
	for i := range l.Zones {
		if a, ok := known(l.Zones[i].Name); ok {
			t.add(&l.Zones[i], a)
		}
	}
	return t.settled()
}

func (l *Lists) decide(r *acl.Request, t *tally) acl.Decision {
	d := acl.Decision{Notes: t.notes}
	if t.score < t.threshold || t.worst == nil {
		return d
	}
	reply := acl.Reply{
		Text:      l.Template.Expand(r.Remote.Addr(), t.worst.Name, t.text),
		Temporary: l.Temporary || t.score+t.doubt < t.threshold,
	}
	switch l.Action {
	case Tag:
		d.Env = []acl.Setenv{
			{Name: "RBLSMTPD", Value: convention(reply)},
			{Name: "DNSBL_RESULT", Value: t.result()},
		}
	case Log:
		d.Notes = append(d.Notes, acl.Note{Pos: t.worst.Pos, Text: "would refuse: " + t.result() + ": " + reply.Text})
	default:
		d.Verdict, d.Reply, d.Rule = acl.Deny, reply, t.worst.rule()
	}
	return d
}

// A tally adds up what the lists said. Between low and high lies every sum
// that the lists not heard yet could bring about.
type tally struct {
	threshold int
	score     int
	low, high int
	doubt     int // weight, below 0, of the allow lists that did not answer

	worst *Zone // the heaviest block list that has the client
	text  string
	hits  []hit // each list that has it
	notes []acl.Note
}

// A hit is one list that has the client, and the code that says so.
type hit struct {
	zone *Zone
	code netip.Addr
}

// result returns the hits as DNSBL_RESULT has them, in the notation of
// ParseZones: "zone=code*weight", with a space between two.
func (t *tally) result() string {
	var b strings.Builder
	for i, h := range t.hits {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(h.zone.Name + "=" + h.code.String() + "*" + strconv.Itoa(h.zone.Weight))
	}
	return b.String()
}

func (l *Lists) tally() tally {
	t := tally{threshold: l.threshold()}
	for i := range l.Zones {
		t.low += min(l.Zones[i].Weight, 0)
		t.high += max(l.Zones[i].Weight, 0)
	}
	return t
}

func (t *tally) settled() bool { return t.low >= t.threshold || t.high < t.threshold }

// add counts one list's answer.
func (t *tally) add(z *Zone, a acl.Answer) {
	t.low -= min(z.Weight, 0)
	t.high -= max(z.Weight, 0)
	o := z.Judge(a)
	switch {
	case o.Listed:
		t.hit(z, o)
	case o.Heard:
		return // not listed, and we know it
	default:
		t.doubt += min(z.Weight, 0)
		t.low += min(z.Weight, 0) // had it answered, the sum could be as low as that
	}
	if o.Fault != "" {
		t.notes = append(t.notes, acl.Note{Pos: z.Pos, Text: z.Name + ": " + o.Fault})
	}
}

func (t *tally) hit(z *Zone, o Outcome) {
	t.score += z.Weight
	t.low += z.Weight
	t.high += z.Weight
	t.hits = append(t.hits, hit{z, o.Code})
	if z.Weight > 0 && (t.worst == nil || z.Weight > t.worst.Weight) {
		t.worst, t.text = z, o.Text
	}
}
