package main

import (
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"doorward/acl"
	"doorward/acl/dnsbl"
)

// A nameserver answers on a loopback port by name and type, and counts the
// questions. What it has nothing for does not exist.
type nameserver struct {
	addr  netip.AddrPort
	zone  map[string][]string // "TXT name", "A name": the records
	fails map[string]int      // how often it fails before it answers; below 0: always

	mu    sync.Mutex
	asked int
}

func serve(t *testing.T, ns *nameserver) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	ns.addr = conn.LocalAddr().(*net.UDPAddr).AddrPort()
	go func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if reply := ns.reply(buf[:n]); reply != nil {
				conn.WriteToUDPAddrPort(reply, from)
			}
		}
	}()
}

func (ns *nameserver) reply(query []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	name := q.Name.String()
	key := q.Type.String()[len("Type"):] + " " + name[:len(name)-1]

	ns.mu.Lock()
	defer ns.mu.Unlock()
	ns.asked++
	m.Response, m.Additionals = true, nil
	records, found := ns.zone[key]
	switch {
	case ns.fails[key] != 0:
		ns.fails[key]--
		m.RCode = dnsmessage.RCodeServerFailure
	case !found:
		m.RCode = dnsmessage.RCodeNameError
	}
	for _, r := range records {
		h := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 60}
		var body dnsmessage.ResourceBody = &dnsmessage.TXTResource{TXT: []string{r[:len(r)/2], r[len(r)/2:]}}
		if q.Type == dnsmessage.TypeA {
			body = &dnsmessage.AResource{A: netip.MustParseAddr(r).As4()}
		}
		if m.RCode == dnsmessage.RCodeSuccess {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: body})
		}
	}
	reply, _ := m.Pack()
	return reply
}

func TestLists(t *testing.T) {
	zone := map[string][]string{
		"TXT 7.2.0.192.rbl.example":   {"Listed, see http://rbl.example"},
		"TXT 7.2.0.192.multi.example": {"first", "second"},
		"A 7.2.0.192.white.example":   {"127.0.0.2"},
		"A 7.2.0.192.both.example":    {"127.0.0.2", "127.0.0.4"},
		"TXT 7.2.0.192.both.example":  {"why"},
		"A 7.2.0.192.half.example":    {"127.0.0.2"},
		"TXT rbl.example":             {"about the list"},
		"A 7.2.0.192.world.example":   {"127.0.0.2"},
		"A 1.0.0.127.world.example":   {"127.0.0.2"},
		"TXT 7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.rbl.example": {"Listed"},
	}
	tests := []struct {
		client string
		q      dnsbl.Question
		want   acl.Answer
		why    string
	}{
		{"192.0.2.7", dnsbl.Question{Zone: "rbl.example", TXT: true}, acl.Answer{Status: acl.Found, Text: "\nListed, see http://rbl.example"}, "a text"},
		{"192.0.2.7", dnsbl.Question{Zone: "multi.example", TXT: true}, acl.Answer{Status: acl.Found, Text: "\nfirstsecond"}, "all strings and records as one text"},
		{"192.0.2.7", dnsbl.Question{Zone: "white.example", A: true}, acl.Answer{Status: acl.Found, Text: "127.0.0.2"}, "an address"},
		{"192.0.2.7", dnsbl.Question{Zone: "white.example", TXT: true}, acl.Answer{Status: acl.Absent}, "an address is no text"},
		{"192.0.2.7", dnsbl.Question{Zone: "both.example", A: true, TXT: true}, acl.Answer{Status: acl.Found, Text: "127.0.0.2 127.0.0.4\nwhy"}, "addresses and a text"},
		{"192.0.2.7", dnsbl.Question{Zone: "half.example", A: true, TXT: true}, acl.Answer{Status: acl.Found, Text: "127.0.0.2"}, "an address without a text"},
		{"192.0.2.7", dnsbl.Question{Zone: "world.example", A: true, TXT: true}, acl.Answer{Status: acl.Failed}, "a list that has everybody"},
		{"::ffff:192.0.2.7", dnsbl.Question{Zone: "world.example", A: true, TXT: true}, acl.Answer{Status: acl.Failed}, "the same of a mapped address"},
		{"192.0.2.8", dnsbl.Question{Zone: "both.example", A: true, TXT: true}, acl.Answer{Status: acl.Absent}, "another client"},
		{"2001:db8::7", dnsbl.Question{Zone: "rbl.example", TXT: true}, acl.Answer{Status: acl.Found, Text: "\nListed"}, "IPv6 by nibbles"},
		{"::ffff:192.0.2.7", dnsbl.Question{Zone: "white.example", A: true}, acl.Answer{Status: acl.Found, Text: "127.0.0.2"}, "a mapped address by its octets"},
		{"", dnsbl.Question{Zone: "rbl.example", TXT: true}, acl.Answer{Status: acl.Found, Text: "\nabout the list"}, "no client"},
		{"192.0.2.7", dnsbl.Question{Zone: ".multi..example.", TXT: true}, acl.Answer{Status: acl.Found, Text: "\nfirstsecond"}, "dots too many"},
		{"192.0.2.7", dnsbl.Question{Zone: "0123456789012345678901234567890123456789012345678901234567890123.example", TXT: true}, acl.Answer{Status: acl.Failed}, "a label too long"},
	}
	ns := &nameserver{zone: zone}
	serve(t, ns)
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			l := lists{tt.client, []netip.AddrPort{ns.addr}, []time.Duration{time.Second}}
			if got := l.ask(acl.Fact{Kind: acl.Listed, Arg: tt.q.Arg()}); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// A server that fails is asked three times, and the third time only after it
// had the whole second round to recover.
func TestListsAskAFailingServerAgain(t *testing.T) {
	const key = "TXT 7.2.0.192.rbl.example"
	ask := func(failures int) (acl.Answer, int, time.Duration) {
		ns := &nameserver{zone: map[string][]string{key: {"Listed"}}, fails: map[string]int{key: failures}}
		serve(t, ns)
		l := lists{"192.0.2.7", []netip.AddrPort{ns.addr}, []time.Duration{5 * time.Second, 50 * time.Millisecond, 5 * time.Second}}
		start := time.Now()
		a := l.ask(acl.Fact{Kind: acl.Listed, Arg: "TXT rbl.example"})
		took := time.Since(start)
		ns.mu.Lock()
		defer ns.mu.Unlock()
		return a, ns.asked, took
	}
	for _, tt := range []struct {
		failures, asked int
		want            acl.Status
	}{{0, 1, acl.Found}, {1, 2, acl.Found}, {2, 3, acl.Found}, {3, 3, acl.Failed}, {-1, 3, acl.Failed}} {
		a, asked, took := ask(tt.failures)
		if a.Status != tt.want || asked != tt.asked {
			t.Errorf("%d failures: %v after %d questions, want %v after %d", tt.failures, a, asked, tt.want, tt.asked)
		}
		if waited := took >= 50*time.Millisecond; waited != (tt.asked == 3) || took > 4*time.Second {
			t.Errorf("%d failures: took %v", tt.failures, took)
		}
	}
}

// Empty labels do not exist in DNS.
func TestSqueeze(t *testing.T) {
	for in, want := range map[string]string{"": "", ".": "", "a": "a", "a..b.": "a.b", ".a.b": "a.b"} {
		if got := squeeze(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}
