package dnslist_test

import (
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"doorward/acl/dnsbl"
)

// A fault is how a DNS server goes wrong about one zone.
type fault string

const (
	none       fault = "none"
	drops      fault = "drops"
	dropsHalf  fault = "drops half"
	delays     fault = "delays"
	wrongIDs   fault = "lies about ids"
	onlyWrong  fault = "lies about ids, and nothing else"
	wrongNames fault = "answers another question"
	truncates  fault = "truncates"
	cutsOff    fault = "truncates, no TCP"
	refuses    fault = "answers 127.255.255.254"
	everything fault = "answers everything"
	rewrites   fault = "rewrites NXDOMAIN"
	bogusTTL   fault = "bogus TTLs"
	loops      fault = "loops of CNAME"
	servfails  fault = "SERVFAIL"
	garbage    fault = "garbage"
	nothing    fault = "lists nothing, not even 127.0.0.2"
)

var faults = []fault{none, drops, dropsHalf, delays, wrongIDs, onlyWrong, wrongNames, truncates, cutsOff, refuses, everything, rewrites, bogusTTL, loops, servfails, garbage, nothing}

// hides are the faults under which a list cannot be heard, and what the log
// says of each.
var hides = map[fault]string{
	drops:      "i/o timeout|deadline exceeded",
	delays:     "i/o timeout|deadline exceeded",
	onlyWrong:  "replies to questions that were not asked",
	cutsOff:    "read tcp .* i/o timeout",
	refuses:    `the list refuses our questions \(127\.255\.255\.254\)`,
	everything: "it has 127.0.0.1, which no list has",
	loops:      "too many aliases",
	servfails:  "SERVFAIL",
	garbage:    "i/o timeout, but .* replies to|deadline exceeded, but .* replies to",
	nothing:    "it does not have 127.0.0.2, which every list has",
}

// A server is a DNS server on loopback with lists that have 192.0.2.7.
type server struct {
	addr    netip.AddrPort
	latency time.Duration

	mu    sync.Mutex
	zones map[string]fault // by zone, without a final dot
	asked int
}

func serve(t testing.TB, zones map[string]fault, latency time.Duration) *server {
	t.Helper()
	udp, tcp := listen(t)
	s := &server{addr: udp.LocalAddr().(*net.UDPAddr).AddrPort(), zones: zones, latency: latency}
	var wg sync.WaitGroup
	wg.Go(func() { s.serveUDP(udp) })
	wg.Go(func() { s.serveTCP(tcp) })
	t.Cleanup(func() { udp.Close(); tcp.Close(); wg.Wait() })
	return s
}

// listen finds a port that is free for UDP and for TCP.
func listen(t testing.TB) (*net.UDPConn, *net.TCPListener) {
	t.Helper()
	for {
		udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
		if err != nil {
			t.Fatal(err)
		}
		udp.SetReadBuffer(4 << 20)
		tcp, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(udp.LocalAddr().(*net.UDPAddr).AddrPort()))
		if err == nil {
			return udp, tcp
		}
		udp.Close()
		if !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatal(err)
		}
	}
}

func (s *server) serveUDP(conn *net.UDPConn) {
	buf := make([]byte, 4096)
	for {
		n, client, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		replies, delay := s.replies(buf[:n], false)
		send := func() {
			for _, r := range replies {
				conn.WriteToUDPAddrPort(r, client)
			}
		}
		if delay > 0 {
			time.AfterFunc(delay, send)
			continue
		}
		send()
	}
}

func (s *server) serveTCP(l *net.TCPListener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go s.serveConn(conn)
	}
}

func (s *server) serveConn(conn net.Conn) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return
	}
	query := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, query); err != nil {
		return
	}
	replies, _ := s.replies(query, true)
	for _, r := range replies {
		conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(r))), r...))
	}
	io.Copy(io.Discard, conn) // until the client has enough
}

func (s *server) replies(query []byte, tcp bool) ([][]byte, time.Duration) {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil, 0
	}
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	name := strings.ToLower(strings.TrimSuffix(m.Questions[0].Name.String(), "."))
	f, front := s.fault(name)
	answer(&m, f, front)
	return faulty(m, f, tcp), s.wait(f)
}

// fault returns what goes wrong about name, and what stands before the zone.
func (s *server) fault(name string) (f fault, front string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	for zone, f := range s.zones {
		if front, ok := strings.CutSuffix(name, "."+zone); ok {
			return f, front
		}
	}
	for _, f := range s.zones {
		if f == rewrites {
			return rewrites, name // a resolver does it to all names
		}
	}
	return none, name
}

func (s *server) wait(f fault) time.Duration {
	if f == delays {
		return 3 * time.Second
	}
	return s.latency
}

// answer fills in what the list says, right or not.
func answer(m *dnsmessage.Message, f fault, front string) {
	q := m.Questions[0]
	addr, ttl := [4]byte{}, uint32(300)
	listed := front == "7.2.0.192" || front == "2.0.0.127" || front+"." == testAddrs[1]
	switch {
	case f == refuses:
		addr = [4]byte{127, 255, 255, 254}
	case f == everything || listed && f != nothing:
		addr = [4]byte{127, 0, 0, 2}
	case f == rewrites:
		addr = [4]byte{203, 0, 113, 80}
	default:
		m.RCode = dnsmessage.RCodeNameError
	}
	if f == bogusTTL {
		ttl = rand.Uint32()
	}
	h := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: dnsmessage.ClassINET, TTL: ttl}
	switch {
	case m.RCode != dnsmessage.RCodeSuccess:
	case q.Type == dnsmessage.TypeA:
		m.Answers = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.AResource{A: addr}}}
	case q.Type == dnsmessage.TypeTXT:
		m.Answers = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.TXTResource{TXT: []string{"because"}}}}
	}
}

// faulty is what a server with that fault sends.
func faulty(m dnsmessage.Message, f fault, tcp bool) [][]byte {
	right := pack(m)
	switch f {
	case drops:
		return nil
	case dropsHalf:
		if rand.IntN(2) == 0 {
			return nil
		}
	case wrongIDs, onlyWrong:
		m.ID++
		if f == onlyWrong {
			return [][]byte{forge(m)}
		}
		return [][]byte{forge(m), right}
	case wrongNames:
		m.Questions[0].Name = dnsmessage.MustNewName("other.example.")
		return [][]byte{forge(m), right}
	case truncates, cutsOff:
		if !tcp {
			m.Truncated, m.Answers = true, nil
			return [][]byte{pack(m)}
		}
		if f == cutsOff {
			return nil
		}
	case loops:
		m.RCode, m.Answers = dnsmessage.RCodeSuccess, nil
		q := m.Questions[0].Name
		for range 20 {
			h := dnsmessage.ResourceHeader{Name: q, Type: dnsmessage.TypeCNAME, Class: dnsmessage.ClassINET, TTL: 60}
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.CNAMEResource{CNAME: q}})
		}
		return [][]byte{pack(m)}
	case servfails:
		m.RCode, m.Answers = dnsmessage.RCodeServerFailure, nil
		return [][]byte{pack(m)}
	case garbage:
		return [][]byte{{}, []byte(strings.Repeat("\xc0\x0c", 300))}
	}
	return [][]byte{right}
}

// forge packs m with a listing in it.
func forge(m dnsmessage.Message) []byte {
	h := dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET, TTL: 300}
	m.RCode = dnsmessage.RCodeSuccess
	m.Answers = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.AResource{A: [4]byte{127, 0, 0, 66}}}}
	return pack(m)
}

func pack(m dnsmessage.Message) []byte {
	b, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return b
}

// weigh makes a policy of block lists with one weight.
func weigh(threshold int, zones ...string) *dnsbl.Lists {
	l := &dnsbl.Lists{Threshold: threshold}
	for _, z := range zones {
		l.Zones = append(l.Zones, dnsbl.Zone{Name: z, Weight: 1})
	}
	return l
}

// questions returns how many questions there have been.
func (s *server) questions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}
