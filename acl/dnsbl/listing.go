package dnsbl

import (
	"net/netip"
	"strings"

	"doorward/acl"
)

// A Listing is what a list says about a client. An [acl.Answer] carries it as
// text: the addresses of the A records, with a space between two; a line feed;
// the TXT records and their strings, one after the other. For example
//
//	127.0.0.2 127.0.0.4
//	Listed, see https://example.net/192.0.2.7
//
// Without a TXT record there is no line feed. The Status beside it is Found if
// the list has what was asked for, Absent if the name or the record does not
// exist, Failed if no server gave an answer.
type Listing struct {
	Addrs []netip.Addr
	Text  string // hostile, as all text from the network
}

// String returns l in the form that an [acl.Answer] carries.
func (l Listing) String() string {
	var b strings.Builder
	for i, a := range l.Addrs {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(a.String())
	}
	if l.Text != "" {
		b.WriteString("\n" + l.Text)
	}
	return b.String()
}

// An Outcome is what one list's answer comes to.
type Outcome struct {
	Listed bool       // the list has the client
	Code   netip.Addr // the A record that says so
	Text   string     // what the list has to say about it; hostile
	Heard  bool       // the list answered, and the answer means what it says
	Fault  string     // why the answer counts for nothing; empty: it does not
}

// Judge reads a list's answer. The client is listed only if every A record is
// one a list may give and one of them is among z.Codes.
//
// A list under strain still answers: 127.255.255.0/24 says that it refuses to
// serve this resolver, and an allow list does so with 127.0.10.3 or a last
// octet of 255. A resolver that replaces "no such name" by the address of an
// advertisement answers outside of 127.0.0.0/8. Each of these makes the whole
// answer void, whatever z.Codes say.
func (z *Zone) Judge(a acl.Answer) Outcome {
	switch a.Status {
	case acl.Found:
	case acl.Failed:
		return Outcome{Fault: "no answer"}
	default:
		return Outcome{Heard: a.Status == acl.Absent}
	}
	addrs, text, _ := strings.Cut(a.Text, "\n")
	o := Outcome{Heard: true, Text: text}
	for word := range strings.SplitSeq(addrs, " ") {
		code, err := netip.ParseAddr(word)
		if err != nil {
			return Outcome{Fault: "an answer without an address"}
		}
		if why := fault(code, z.Weight < 0); why != "" {
			return Outcome{Code: code, Fault: why + " (" + code.String() + ")"}
		}
		if !o.Listed && z.Codes.Match(code) {
			o.Listed, o.Code = true, code
		}
	}
	return o
}

// fault returns why code is not a list's answer, or "".
func fault(code netip.Addr, allowList bool) string {
	o := code.As16() // an IPv4 address ends in its four octets
	switch {
	case !code.Is4() || o[12] != 127:
		return "not a list's answer"
	case o[13] == 255 && o[14] == 255:
		return "the list refuses our questions"
	case allowList && (o[15] == 255 || code == overQuota):
		return "the list is over quota"
	}
	return ""
}

var overQuota = netip.AddrFrom4([4]byte{127, 0, 10, 3})
