package dnstest

import (
	"bytes"

	"golang.org/x/net/dns/dnsmessage"
)

// A Fault is how a server goes wrong. A test may have faults of its own, which
// are in what it answers: the server takes those for None.
type Fault string

// The faults that are in how a reply is sent.
const (
	None        Fault = ""
	Silent      Fault = "silent"
	Late        Fault = "late over UDP"
	ServFail    Fault = "SERVFAIL"
	Refused     Fault = "REFUSED"
	NoEDNS      Fault = "FORMERR to EDNS"
	Truncated   Fault = "truncated over UDP"
	CutOff      Fault = "truncated over UDP, silent over TCP"
	WrongID     Fault = "a wrong id before the right one"
	OnlyWrongID Fault = "nothing but wrong ids"
	WrongName   Fault = "a reply to another question before the right one"
	Echo        Fault = "the query itself before the reply"
	Garbage     Fault = "garbage before the reply"
	OnlyGarbage Fault = "nothing but garbage"
	Oversize    Fault = "more than was asked for"
	Loop        Fault = "a name that points at itself"
	Torn        Fault = "a reply that ends within a record"
)

// Faults are all of them.
var Faults = []Fault{None, Silent, Late, ServFail, Refused, NoEDNS, Truncated, CutOff, WrongID, OnlyWrongID, WrongName,
	Echo, Garbage, OnlyGarbage, Oversize, Loop, Torn}

// garbage is no DNS message, in several ways.
var garbage = [][]byte{{}, {0xff}, bytes.Repeat([]byte("\xc0\x0c"), 300)}

// replies is what a server with that fault sends if m would be right.
func (f Fault) replies(m dnsmessage.Message, query []byte, tcp bool) [][]byte {
	right := Pack(m)
	switch f {
	case Silent:
		return nil
	case ServFail:
		return [][]byte{failure(m, dnsmessage.RCodeServerFailure)}
	case Refused:
		return [][]byte{failure(m, dnsmessage.RCodeRefused)}
	case NoEDNS:
		return [][]byte{failure(m, dnsmessage.RCodeFormatError)}
	case Truncated, CutOff:
		if !tcp {
			m.Truncated, m.Answers = true, nil
			return [][]byte{Pack(m)}
		}
		if f == CutOff {
			return nil
		}
	case WrongID:
		return [][]byte{forge(m, m.ID+1, ""), right}
	case OnlyWrongID:
		return [][]byte{forge(m, m.ID+1, "")}
	case WrongName:
		return [][]byte{forge(m, m.ID, "other.example."), right}
	case Echo:
		return [][]byte{bytes.Clone(query), right}
	case Garbage:
		return append(garbage[:len(garbage):len(garbage)], right)
	case OnlyGarbage:
		return garbage
	case Oversize:
		if !tcp {
			return [][]byte{append(right, make([]byte, 2000)...)}
		}
	case Loop:
		i := len(right)
		return [][]byte{append(right, 0xc0, byte(i), 0, 1, 0, 1, 0, 0, 0, 0, 0, 0)}
	case Torn:
		return [][]byte{right[:len(right)-3]}
	}
	return [][]byte{right}
}

func failure(m dnsmessage.Message, code dnsmessage.RCode) []byte {
	m.Answers, m.RCode = nil, code
	return Pack(m)
}

// forged is what a liar says: whoever believes it lists every client, and has
// a name and an address that are not the right ones.
var forged = map[dnsmessage.Type]dnsmessage.ResourceBody{
	dnsmessage.TypeA:    &dnsmessage.AResource{A: [4]byte{127, 0, 0, 66}},
	dnsmessage.TypeAAAA: &dnsmessage.AAAAResource{AAAA: [16]byte{0x20, 0x01, 0x0d, 0xb8, 15: 0x66}},
	dnsmessage.TypePTR:  &dnsmessage.PTRResource{PTR: dnsmessage.MustNewName("forged.example.")},
	dnsmessage.TypeTXT:  &dnsmessage.TXTResource{TXT: []string{"forged"}},
}

// forge is a lie about the name that was asked for, under that id and as if
// another name had been asked for; empty: the same one.
func forge(m dnsmessage.Message, id uint16, instead string) []byte {
	q := m.Questions[0]
	m.ID, m.RCode, m.Answers, m.Authorities = id, dnsmessage.RCodeSuccess, nil, nil
	if body, ok := forged[q.Type]; ok {
		h := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: dnsmessage.ClassINET, TTL: 300}
		m.Answers = []dnsmessage.Resource{{Header: h, Body: body}}
	}
	if instead != "" {
		q.Name = dnsmessage.MustNewName(instead)
		m.Questions = []dnsmessage.Question{q}
	}
	return Pack(m)
}

// Pack returns m as it is sent; one that cannot be sent is a mistake of the test.
func Pack(m dnsmessage.Message) []byte {
	b, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return b
}
