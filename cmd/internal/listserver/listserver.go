// Package listserver is a DNS server for tests, with one DNS list of every
// name: it has 127.0.0.2, as every list must (RFC 5782, section 5), and
// 127.0.0.3.
package listserver

import (
	"net"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// Text is what the list has to say about whom it has.
const Text = "no mail from you"

// Start serves on addr ("127.0.0.1:0") until the test ends, and returns where.
// The error is that of binding the address.
func Start(t testing.TB, addr string) (net.Addr, error) {
	c, err := net.ListenPacket("udp", addr)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		b := make([]byte, 4096)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			if reply := answer(b[:n]); reply != nil {
				c.WriteTo(reply, from)
			}
		}
	}()
	return c.LocalAddr(), nil
}

func answer(query []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	m.Response, m.Additionals = true, nil
	head := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 60}
	has := strings.HasPrefix(q.Name.String(), "2.0.0.127.") || strings.HasPrefix(q.Name.String(), "3.0.0.127.")
	switch {
	case !has:
		m.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeA:
		m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AResource{A: [4]byte{127, 0, 0, 2}}}}
	case q.Type == dnsmessage.TypeTXT:
		m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.TXTResource{TXT: []string{Text}}}}
	}
	reply, _ := m.Pack()
	return reply
}
