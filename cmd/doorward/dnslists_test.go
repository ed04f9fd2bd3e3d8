package main

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// listed answers as the DNS list zone.example does that has 127.0.0.2, as
// every list must (RFC 5782, section 5), and 127.0.0.3.
func listed(t *testing.T) (port string) {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
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
	_, port, _ = net.SplitHostPort(c.LocalAddr().String())
	return port
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
		m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.TXTResource{TXT: []string{"no mail from you"}}}}
	}
	reply, _ := m.Pack()
	return reply
}

// A listed client is refused in SMTP, without a process; one that may relay is
// not asked about, and one that is not listed is served.
func TestDNSLists(t *testing.T) {
	config := dumper("test", "relay_from = 127.0.0.2", "dnsbl = zone.example", "dns = 127.0.0.1:"+listed(t))
	s, port := start(t, config, nil)
	for _, from := range []string{"127.0.0.1", "127.0.0.2"} {
		if got := mustDial(t, from, "127.0.0.1:"+port); !strings.Contains(got, "== end") {
			t.Errorf("%s is not served: %q", from, got)
		}
	}
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 3)}}
	c, err := d.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	r := bufio.NewReader(c)
	for _, step := range []struct{ say, want string }{
		{"", "220 "}, {"EHLO me.example", "250 "}, {"MAIL FROM:<a@b.example>", "250 "},
		{"RCPT TO:<c@d.example>", "553 no mail from you"}, {"QUIT", "221 "},
	} {
		if step.say != "" {
			fmt.Fprintf(c, "%s\r\n", step.say)
		}
		if line, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(line, step.want) {
			t.Fatalf("%s: got %q, %v; want %s", step.say, line, err, step.want)
		}
	}
	s.waitFor(`test: 127\.0\.0\.3:\d+ denied by .*c@d\.example`)
}

// tag leaves it to the daemon.
func TestDNSListsTag(t *testing.T) {
	_, port := start(t, dumper("test", "dnsbl = zone.example", "dnsbl_action = tag", "dns = 127.0.0.1:"+listed(t)), nil)
	env := sections(mustDial(t, "127.0.0.3", "127.0.0.1:"+port))["env"]
	if got := value(env, "RBLSMTPD"); got != "-no mail from you" {
		t.Errorf("RBLSMTPD=%q in %q", got, env)
	}
}
