// Package dnstest is a DNS server for tests, on loopback, that goes wrong as it
// is told. What it knows, and about which names it goes wrong, is for the test
// to say.
package dnstest

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
)

// A Server answers over UDP and TCP.
type Server struct {
	// Answer fills in the right reply to a question, of which name is the name
	// in lower case with a final dot, and says how the server goes wrong about
	// it. Several questions may come at once.
	Answer func(m *dnsmessage.Message, name string) Fault

	Latency time.Duration      // of each answer over UDP
	UDP     func(*net.UDPConn) // serves UDP instead, until the socket is closed; nil: as TCP is served

	// Addr is where Start has put it.
	Addr netip.AddrPort

	mu    sync.Mutex
	asked []string
}

// late is the latency of Late, longer than any test waits for an answer.
const late = 3 * time.Second

// Start starts s, which ends with the test, and returns it.
func Start(t testing.TB, s *Server) *Server {
	t.Helper()
	udp, tcp := listen(t)
	s.Addr = udp.LocalAddr().(*net.UDPAddr).AddrPort()
	serveUDP := s.UDP
	if serveUDP == nil {
		serveUDP = s.serveUDP
	}
	var wg sync.WaitGroup
	wg.Go(func() { serveUDP(udp) })
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
		udp.SetReadBuffer(4 << 20) // many questions at once are not to be lost
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

// Questions returns what the server was asked, "TYPE name" or "tcp TYPE name",
// and forgets it.
func (s *Server) Questions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

func (s *Server) note(typ dnsmessage.Type, name string, tcp bool) {
	what := strings.TrimPrefix(typ.String(), "Type") + " " + name
	if tcp {
		what = "tcp " + what
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, what)
}

func (s *Server) serveUDP(conn *net.UDPConn) {
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

func (s *Server) serveTCP(l *net.TCPListener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go s.serveConn(conn)
	}
}

func (s *Server) serveConn(conn net.Conn) {
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

// replies returns what the server sends, and how long after the query.
func (s *Server) replies(query []byte, tcp bool) ([][]byte, time.Duration) {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil, 0
	}
	name := strings.ToLower(m.Questions[0].Name.String())
	s.note(m.Questions[0].Type, name, tcp)
	edns := len(m.Additionals) > 0
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	f := s.Answer(&m, name)
	delay := s.Latency
	switch {
	case f == Late:
		delay = late
	case f == NoEDNS && !edns:
		f = None
	}
	return f.replies(m, query, tcp), delay
}
