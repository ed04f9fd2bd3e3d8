package lookup_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"doorward/launcher/lookup"
)

// A fault is how a server goes wrong. The zero fault is none.
type fault string

const (
	silent      fault = "silent"
	servfail    fault = "SERVFAIL"
	refused     fault = "REFUSED"
	noEDNS      fault = "FORMERR to EDNS"
	truncated   fault = "truncated over UDP"
	cutOff      fault = "truncated over UDP, silent over TCP"
	wrongID     fault = "a wrong id before the right one"
	onlyWrongID fault = "nothing but wrong ids"
	wrongName   fault = "a reply to another question before the right one"
	echo        fault = "the query itself before the reply"
	garbage     fault = "garbage before the reply"
	oversize    fault = "more than was asked for"
	loop        fault = "a name that points at itself"
	torn        fault = "a reply that ends within a record"
)

// A zone is what a server knows: names with a final dot.
type zone struct {
	ptr, cname map[string]string
	addrs      map[string][]string
	txt        map[string][]string
	faults     map[string]fault // by name; "" for all
	soa        bool             // say how long an absence counts
}

// A server is a DNS server on loopback.
type server struct {
	zone
	addr netip.AddrPort

	mu    sync.Mutex
	asked []string // "TYPE name", "tcp TYPE name"
}

// serve starts a DNS server that ends with the test.
func serve(t testing.TB, z zone) *server {
	t.Helper()
	udp, tcp := listen(t)
	s := &server{zone: z, addr: udp.LocalAddr().(*net.UDPAddr).AddrPort()}
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
		for _, reply := range s.replies(buf[:n], false) {
			conn.WriteToUDPAddrPort(reply, client)
		}
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
	for _, reply := range s.replies(query, true) {
		conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
	}
	io.Copy(io.Discard, conn) // until the client has enough
}

func (s *server) replies(query []byte, tcp bool) [][]byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	name := strings.ToLower(q.Name.String())
	s.note(q.Type, name, tcp)
	f := s.faults[name]
	if all, ok := s.faults[""]; ok {
		f = all
	}
	edns := len(m.Additionals) > 0
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	s.fill(&m, name, q.Type)
	return faulty(m, f, query, tcp, edns)
}

// faulty is what a server with that fault sends.
func faulty(m dnsmessage.Message, f fault, query []byte, tcp, edns bool) [][]byte {
	right := pack(m)
	switch f {
	case silent:
		return nil
	case servfail, refused:
		m.Answers = nil
		m.RCode = map[fault]dnsmessage.RCode{servfail: dnsmessage.RCodeServerFailure, refused: dnsmessage.RCodeRefused}[f]
		return [][]byte{pack(m)}
	case noEDNS:
		if edns {
			m.Answers, m.RCode = nil, dnsmessage.RCodeFormatError
			return [][]byte{pack(m)}
		}
	case truncated, cutOff:
		if !tcp {
			m.Truncated, m.Answers = true, nil
			return [][]byte{pack(m)}
		}
		if f == cutOff {
			return nil
		}
	case wrongID, onlyWrongID:
		m.ID++
		if f == onlyWrongID {
			return [][]byte{pack(m)}
		}
		lie(&m)
		return [][]byte{pack(m), right}
	case wrongName:
		lie(&m)
		m.Questions[0].Name = dnsmessage.MustNewName("other.example.")
		return [][]byte{pack(m), right}
	case echo:
		return [][]byte{query, right}
	case garbage:
		return [][]byte{{}, {0xff}, []byte(strings.Repeat("\xc0\x0c", 300)), right}
	case oversize:
		if !tcp {
			return [][]byte{append(right, make([]byte, 2000)...)}
		}
	case loop:
		i := len(right)
		return [][]byte{append(right[:i:i], 0xc0, byte(i), 0, 1, 0, 1, 0, 0, 0, 0, 0, 0)}
	case torn:
		return [][]byte{right[:len(right)-3]}
	}
	return [][]byte{right}
}

// lie replaces every answer.
func lie(m *dnsmessage.Message) {
	for i := range m.Answers {
		switch m.Answers[i].Body.(type) {
		case *dnsmessage.PTRResource:
			m.Answers[i].Body = &dnsmessage.PTRResource{PTR: dnsmessage.MustNewName("forged.example.")}
		case *dnsmessage.AResource:
			m.Answers[i].Body = &dnsmessage.AResource{A: [4]byte{203, 0, 113, 66}}
		}
	}
}

func pack(m dnsmessage.Message) []byte {
	b, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return b
}

// fill answers from the zone.
func (s *server) fill(m *dnsmessage.Message, name string, typ dnsmessage.Type) {
	known := false
	add := func(owner string, body dnsmessage.ResourceBody, t dnsmessage.Type, ttl uint32) {
		m.Answers = append(m.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(owner), Type: t, Class: dnsmessage.ClassINET, TTL: ttl},
			Body:   body,
		})
	}
	for range 40 {
		target, ok := s.cname[name]
		if !ok {
			break
		}
		known = true
		add(name, &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(target)}, dnsmessage.TypeCNAME, 60)
		name = strings.ToLower(target)
	}
	if ptr, ok := s.ptr[name]; ok {
		known = true
		if typ == dnsmessage.TypePTR {
			for _, p := range strings.Split(ptr, "|") {
				add(name, &dnsmessage.PTRResource{PTR: dnsmessage.MustNewName(p)}, typ, 300)
			}
		}
	}
	for _, text := range s.addrs[name] {
		known = true
		a := netip.MustParseAddr(text)
		if a.Is4() && typ == dnsmessage.TypeA {
			add(name, &dnsmessage.AResource{A: a.As4()}, typ, 300)
		}
		if a.Is6() && typ == dnsmessage.TypeAAAA {
			add(name, &dnsmessage.AAAAResource{AAAA: a.As16()}, typ, 300)
		}
	}
	if txt, ok := s.txt[name]; ok {
		known = true
		if typ == dnsmessage.TypeTXT {
			add(name, &dnsmessage.TXTResource{TXT: txt}, typ, 300)
		}
	}
	if !known {
		m.RCode = dnsmessage.RCodeNameError
	}
	if len(m.Answers) == 0 && s.soa {
		m.Authorities = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("example."), Type: dnsmessage.TypeSOA, Class: dnsmessage.ClassINET, TTL: 900},
			Body:   &dnsmessage.SOAResource{NS: dnsmessage.MustNewName("."), MBox: dnsmessage.MustNewName("."), MinTTL: 120},
		}}
	}
}

func (s *server) note(typ dnsmessage.Type, name string, tcp bool) {
	what := strings.TrimPrefix(typ.String(), "Type") + " " + name
	if tcp {
		what = "tcp " + what
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, what)
}

// questions returns what the server was asked, and forgets it.
func (s *server) questions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

// resolver asks the servers, each for a short time and once.
func resolver(servers ...*server) *lookup.Resolver {
	r := &lookup.Resolver{Timeouts: []time.Duration{200 * time.Millisecond}}
	for _, s := range servers {
		r.Servers = append(r.Servers, s.addr)
	}
	return r
}

// nobody is an address where nobody listens.
func nobody(t *testing.T) netip.AddrPort {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// outcome says in a word what became of a question.
func outcome(err error) string {
	switch {
	case err == nil:
		return "found"
	case errors.Is(err, lookup.ErrAbsent):
		return "absent"
	}
	return "failed"
}
