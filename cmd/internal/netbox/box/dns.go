//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"doorward/cmd/internal/netbox/record"

	"golang.org/x/net/dns/dnsmessage"
)

// A nameServer is the only DNS server of a case: authoritative for
// everything, over UDP and TCP, at 127.0.0.1. It remembers what it was asked.
type nameServer struct {
	udp net.PacketConn
	tcp net.Listener

	tables map[dnsmessage.Type]map[string]any // by lower-case name without the last dot

	mu    sync.Mutex
	asked [][2]string
}

// serveNames starts a server for z; nil means that nobody listens.
func serveNames(z *record.Zone) (*nameServer, error) {
	s := new(nameServer)
	if z == nil {
		return s, nil
	}
	s.tables = map[dnsmessage.Type]map[string]any{
		dnsmessage.TypePTR:   reverse(z.PTR),
		dnsmessage.TypeA:     lower(z.A),
		dnsmessage.TypeTXT:   lower(z.TXT),
		dnsmessage.TypeCNAME: lower(z.CNAME),
	}
	s.tables[dnsmessage.TypeAAAA] = s.tables[dnsmessage.TypeA]
	var err error
	if s.udp, err = net.ListenPacket("udp4", "127.0.0.1:53"); err != nil {
		return nil, err
	}
	if s.tcp, err = net.Listen("tcp4", "127.0.0.1:53"); err != nil {
		s.udp.Close()
		return nil, err
	}
	go s.packets()
	go s.streams()
	return s, nil
}

func (s *nameServer) close() {
	if s.udp != nil {
		s.udp.Close()
		s.tcp.Close()
	}
}

// questions returns the name, in lower case, and the type of each question in
// turn.
func (s *nameServer) questions() [][2]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

func (s *nameServer) packets() {
	buf := make([]byte, 4096)
	for {
		n, from, err := s.udp.ReadFrom(buf)
		if err != nil {
			return
		}
		if reply := s.answer(buf[:n], 512); reply != nil {
			s.udp.WriteTo(reply, from)
		}
	}
}

func (s *nameServer) streams() {
	for {
		c, err := s.tcp.Accept()
		if err != nil {
			return
		}
		go s.stream(c)
	}
}

func (s *nameServer) stream(c net.Conn) {
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	var size [2]byte
	for {
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		query := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(c, query); err != nil {
			return
		}
		if reply := s.answer(query, 1<<16); reply != nil {
			c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
		}
	}
}

// answer returns the reply to query, truncated if it is longer than limit or
// what the query itself allows (RFC 6891); nil is no reply.
func (s *nameServer) answer(query []byte, limit int) []byte {
	var q dnsmessage.Message
	if q.Unpack(query) != nil || len(q.Questions) != 1 {
		return nil
	}
	for _, extra := range q.Additionals {
		if extra.Header.Type == dnsmessage.TypeOPT {
			limit = max(limit, int(extra.Header.Class))
		}
	}
	question := q.Questions[0]
	s.note(question)
	reply := dnsmessage.Message{
		Header: dnsmessage.Header{ID: q.ID, Response: true, OpCode: q.OpCode,
			RecursionDesired: q.RecursionDesired, RecursionAvailable: true},
		Questions: q.Questions,
	}
	var drop bool
	reply.Answers, reply.RCode, drop = s.look(question.Name, question.Type)
	if drop {
		return nil
	}
	b, err := reply.Pack()
	if err != nil { // the zone holds what no packet can
		reply.Answers, reply.RCode = nil, dnsmessage.RCodeServerFailure
		b, _ = reply.Pack()
	}
	if len(b) > limit {
		reply.Answers, reply.Truncated = nil, true
		b, _ = reply.Pack()
	}
	return b
}

func (s *nameServer) note(q dnsmessage.Question) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := record.Text([]byte(key(q.Name)))
	s.asked = append(s.asked, [2]string{name, strings.TrimPrefix(q.Type.String(), "Type")})
}

// look finds the records of name, following CNAMEs.
func (s *nameServer) look(name dnsmessage.Name, kind dnsmessage.Type) (rs []dnsmessage.Resource, code dnsmessage.RCode, drop bool) {
	for range 8 {
		v, ok := s.tables[kind][key(name)]
		if alias, is := s.tables[dnsmessage.TypeCNAME][key(name)]; is && !ok {
			target, err := dnsmessage.NewName(dotted(datum(alias)))
			if err != nil {
				return nil, dnsmessage.RCodeServerFailure, false
			}
			rs = append(rs, resource(name, dnsmessage.TypeCNAME, &dnsmessage.CNAMEResource{CNAME: target}))
			name = target
			continue
		}
		switch v {
		case "DROP":
			return nil, 0, true
		case "SERVFAIL":
			return nil, dnsmessage.RCodeServerFailure, false
		case "REFUSED":
			return nil, dnsmessage.RCodeRefused, false
		}
		if !ok && !s.exists(key(name)) {
			return rs, dnsmessage.RCodeNameError, false
		}
		return append(rs, resources(name, kind, v)...), dnsmessage.RCodeSuccess, false
	}
	return nil, dnsmessage.RCodeServerFailure, false
}

// exists reports whether name has data of any type.
func (s *nameServer) exists(name string) bool {
	for _, t := range s.tables {
		if _, ok := t[name]; ok {
			return true
		}
	}
	return false
}

func resources(name dnsmessage.Name, kind dnsmessage.Type, v any) (rs []dnsmessage.Resource) {
	list, _ := v.([]any)
	for _, d := range list {
		if body := body(kind, d); body != nil {
			rs = append(rs, resource(name, kind, body))
		}
	}
	return rs
}

func resource(name dnsmessage.Name, kind dnsmessage.Type, body dnsmessage.ResourceBody) dnsmessage.Resource {
	return dnsmessage.Resource{
		Header: dnsmessage.ResourceHeader{Name: name, Type: kind, Class: dnsmessage.ClassINET, TTL: 60},
		Body:   body,
	}
}

// body returns the datum d as a record of this type, or nil: an address may be
// of the other family.
func body(kind dnsmessage.Type, d any) dnsmessage.ResourceBody {
	switch kind {
	case dnsmessage.TypeTXT:
		return &dnsmessage.TXTResource{TXT: texts(d)}
	case dnsmessage.TypePTR:
		name, err := dnsmessage.NewName(dotted(datum(d)))
		if err != nil {
			return nil
		}
		return &dnsmessage.PTRResource{PTR: name}
	}
	a, err := netip.ParseAddr(datum(d))
	switch {
	case err == nil && a.Is4() && kind == dnsmessage.TypeA:
		return &dnsmessage.AResource{A: a.As4()}
	case err == nil && a.Is6() && kind == dnsmessage.TypeAAAA:
		return &dnsmessage.AAAAResource{AAAA: a.As16()}
	}
	return nil
}

// texts returns the strings of a TXT record: those of the list, or one string
// in pieces of 255 bytes.
func texts(d any) (ss []string) {
	if list, ok := d.([]any); ok {
		for _, s := range list {
			ss = append(ss, string(record.Bytes(fmt.Sprint(s))))
		}
		return ss
	}
	s := datum(d)
	for len(s) > 255 {
		ss, s = append(ss, s[:255]), s[255:]
	}
	return append(ss, s)
}

// datum returns the bytes of one value, or of the first of a list.
func datum(d any) string {
	if list, ok := d.([]any); ok && len(list) > 0 {
		d = list[0]
	}
	return string(record.Bytes(fmt.Sprint(d)))
}

func dotted(name string) string { return strings.TrimSuffix(name, ".") + "." }

func key(n dnsmessage.Name) string { return strings.ToLower(strings.TrimSuffix(n.String(), ".")) }

func lower(t map[string]any) map[string]any {
	l := make(map[string]any)
	for name, v := range t {
		l[strings.ToLower(string(record.Bytes(name)))] = v
	}
	return l
}

// reverse changes the addresses of t into the names that PTR records have.
func reverse(t map[string]any) map[string]any {
	l := make(map[string]any)
	for addr, v := range t {
		a, err := netip.ParseAddr(addr)
		if err != nil {
			l[strings.ToLower(addr)] = v
			continue
		}
		l[reverseName(a)] = v
	}
	return l
}

// reverseName returns the name under in-addr.arpa or ip6.arpa of a. It is not
// the one of acl/dnsbl: a judge does not ask the accused.
func reverseName(a netip.Addr) string {
	var b strings.Builder
	for _, octet := range slices.Backward(a.AsSlice()) {
		if a.Is4() {
			fmt.Fprintf(&b, "%d.", octet)
		} else {
			fmt.Fprintf(&b, "%x.%x.", octet&15, octet>>4)
		}
	}
	if a.Is4() {
		return b.String() + "in-addr.arpa"
	}
	return b.String() + "ip6.arpa"
}
