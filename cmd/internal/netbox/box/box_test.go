//go:build linux

package main

import (
	"net/netip"
	"slices"
	"testing"

	"doorward/cmd/internal/netbox/record"

	"golang.org/x/net/dns/dnsmessage"
)

func TestSyslogMessageHidesWhatChanges(t *testing.T) {
	tests := []struct{ datagram, priority, text string }{
		{"<30>Nov 24 06:25:14 smtpd[4711]: connect from x", "daemon.info", "smtpd[PID]: connect from x"},
		{"<30>Nov  4 06:25:14 a b[4711]: x[1]: y\n", "daemon.info", "a b[PID]: x[1]: y"},
		{"<27>Nov 24 06:25:14 s[1]: process 12 exited with signal 9", "daemon.err", "s[PID]: process CHILDPID exited with signal 9"},
		{"<21>Nov 24 06:25:14 s[1]: x\x00", "mail.notice", "s[PID]: x"},
		{"<190>Nov 24 06:25:14 s[1]: x", "local7.info", "s[PID]: x"},
		{"<30>1 2026-11-24T06:25:14Z - s 1 - - x", "malformed", "<30>1 2026-11-24T06:25:14Z - s 1 - - x"}, // RFC 5424 is not what syslog(3) sends
	}
	for _, tt := range tests {
		if got := message([]byte(tt.datagram)); got != [2]string{tt.priority, tt.text} {
			t.Errorf("%q: got %q", tt.datagram, got)
		}
	}
}

func TestPIDsAreNumbered(t *testing.T) {
	const log = "tcpserver: pid 70 from x\ntcpserver: pid 71 from x\ntcpserver: end 70 status 0\nrblsmtpd: x pid 72: 451 y\n"
	const want = "tcpserver: pid PID1 from x\ntcpserver: pid PID2 from x\ntcpserver: end PID1 status 0\nrblsmtpd: x pid PID: 451 y\n"
	if got := numberPIDs(log); got != want {
		t.Errorf("got %q", got)
	}
}

func TestTakeDump(t *testing.T) {
	const line = `@DUMP{"argv":["a}@b"],"pid":7}@` + "\n"
	rest, d, err := takeDump("220 hi\r\n" + line + "bye")
	if err != nil || d == nil || d.Argv[0] != "a}@b" || d.PID != 7 || rest != "220 hi\r\n@DUMP@\nbye" {
		t.Errorf("got %q, %+v, %v", rest, d, err)
	}
	if rest, d, err := takeDump("421 go away\r\n"); d != nil || err != nil || rest != "421 go away\r\n" {
		t.Errorf("nothing to take: got %q, %+v, %v", rest, d, err)
	}
	if _, _, err := takeDump("@DUMP{broken}@\n"); err == nil {
		t.Error("a broken dump is taken for a good one")
	}
}

func TestReverseName(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.7":   "7.2.0.192.in-addr.arpa",
		"2001:db8::7": "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
	} {
		if got := reverseName(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: got %s", addr, got)
		}
	}
}

// zoneServer answers from this zone without a network.
func zoneServer() *nameServer {
	z := &record.Zone{
		PTR:   map[string]any{"192.0.2.7": []any{"MX.Example.COM"}},
		A:     map[string]any{"mx.example.com": []any{"192.0.2.7", "2001:db8::7"}, "sf.example": "SERVFAIL", "no.example": "REFUSED", "drop.example": "DROP"},
		TXT:   map[string]any{"t.example": []any{[]any{"one ", "two"}, "caf\u00e9"}},
		CNAME: map[string]any{"alias.example": "mx.example.com", "loop.example": "loop.example"},
	}
	return &nameServer{tables: map[dnsmessage.Type]map[string]any{
		dnsmessage.TypePTR: reverse(z.PTR), dnsmessage.TypeA: lower(z.A), dnsmessage.TypeAAAA: lower(z.A),
		dnsmessage.TypeTXT: lower(z.TXT), dnsmessage.TypeCNAME: lower(z.CNAME),
	}}
}

func TestNameServerAnswersFromTheZone(t *testing.T) {
	tests := []struct {
		name    string
		kind    dnsmessage.Type
		code    dnsmessage.RCode
		answers int
	}{
		{"7.2.0.192.in-addr.arpa.", dnsmessage.TypePTR, dnsmessage.RCodeSuccess, 1},
		{"MX.example.com.", dnsmessage.TypeA, dnsmessage.RCodeSuccess, 1},
		{"mx.example.com.", dnsmessage.TypeAAAA, dnsmessage.RCodeSuccess, 1},
		{"mx.example.com.", dnsmessage.TypeTXT, dnsmessage.RCodeSuccess, 0}, // the name is there, the type is not
		{"absent.example.", dnsmessage.TypeA, dnsmessage.RCodeNameError, 0},
		{"alias.example.", dnsmessage.TypeA, dnsmessage.RCodeSuccess, 2},
		{"loop.example.", dnsmessage.TypeA, dnsmessage.RCodeServerFailure, 0},
		{"t.example.", dnsmessage.TypeTXT, dnsmessage.RCodeSuccess, 2},
		{"sf.example.", dnsmessage.TypeA, dnsmessage.RCodeServerFailure, 0},
		{"no.example.", dnsmessage.TypeA, dnsmessage.RCodeRefused, 0},
	}
	for _, tt := range tests {
		s := zoneServer()
		var reply dnsmessage.Message
		if err := reply.Unpack(s.answer(question(t, tt.name, tt.kind), 512)); err != nil {
			t.Fatal(err)
		}
		if reply.ID != 7 || reply.RCode != tt.code || len(reply.Answers) != tt.answers {
			t.Errorf("%s %v: got %v and %d answers", tt.name, tt.kind, reply.RCode, len(reply.Answers))
		}
	}
	s := zoneServer()
	if s.answer(question(t, "DROP.example.", dnsmessage.TypeA), 512) != nil {
		t.Error("answered what is to be dropped")
	}
	if got := s.questions(); !slices.Equal(got, [][2]string{{"drop.example", "A"}}) {
		t.Errorf("remembered %q", got)
	}
}

func question(t *testing.T, name string, kind dnsmessage.Type) []byte {
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 7},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET}},
	}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}
