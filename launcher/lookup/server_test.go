package lookup_test

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"doorward/launcher/internal/dnstest"
	"doorward/launcher/lookup"
)

// A zone is what a server knows: names with a final dot.
type zone struct {
	ptr, cname map[string]string
	addrs      map[string][]string
	txt        map[string][]string
	faults     map[string]dnstest.Fault // by name; "" for all
	soa        bool                     // say how long an absence counts
}

// serve starts a DNS server that ends with the test.
func serve(t testing.TB, z zone) *dnstest.Server {
	t.Helper()
	return dnstest.Start(t, &dnstest.Server{Answer: z.answer})
}

// everywhere is the faults of a server that goes wrong about all names.
func everywhere(f dnstest.Fault) map[string]dnstest.Fault { return map[string]dnstest.Fault{"": f} }

func (z zone) answer(m *dnsmessage.Message, name string) dnstest.Fault {
	z.fill(m, name, m.Questions[0].Type)
	if all, ok := z.faults[""]; ok {
		return all
	}
	return z.faults[name]
}

// fill answers from the zone.
func (z zone) fill(m *dnsmessage.Message, name string, typ dnsmessage.Type) {
	known := false
	add := func(owner string, body dnsmessage.ResourceBody, t dnsmessage.Type, ttl uint32) {
		m.Answers = append(m.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(owner), Type: t, Class: dnsmessage.ClassINET, TTL: ttl},
			Body:   body,
		})
	}
	for range 40 {
		target, ok := z.cname[name]
		if !ok {
			break
		}
		known = true
		add(name, &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(target)}, dnsmessage.TypeCNAME, 60)
		name = strings.ToLower(target)
	}
	if ptr, ok := z.ptr[name]; ok {
		known = true
		if typ == dnsmessage.TypePTR {
			for _, p := range strings.Split(ptr, "|") {
				add(name, &dnsmessage.PTRResource{PTR: dnsmessage.MustNewName(p)}, typ, 300)
			}
		}
	}
	for _, text := range z.addrs[name] {
		known = true
		a := netip.MustParseAddr(text)
		if a.Is4() && typ == dnsmessage.TypeA {
			add(name, &dnsmessage.AResource{A: a.As4()}, typ, 300)
		}
		if a.Is6() && typ == dnsmessage.TypeAAAA {
			add(name, &dnsmessage.AAAAResource{AAAA: a.As16()}, typ, 300)
		}
	}
	if txt, ok := z.txt[name]; ok {
		known = true
		if typ == dnsmessage.TypeTXT {
			add(name, &dnsmessage.TXTResource{TXT: txt}, typ, 300)
		}
	}
	if !known {
		m.RCode = dnsmessage.RCodeNameError
	}
	if len(m.Answers) == 0 && z.soa {
		m.Authorities = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("example."), Type: dnsmessage.TypeSOA, Class: dnsmessage.ClassINET, TTL: 900},
			Body:   &dnsmessage.SOAResource{NS: dnsmessage.MustNewName("."), MBox: dnsmessage.MustNewName("."), MinTTL: 120},
		}}
	}
}

// resolver asks the servers, each for a short time and once.
func resolver(servers ...*dnstest.Server) *lookup.Resolver {
	r := &lookup.Resolver{Timeouts: []time.Duration{200 * time.Millisecond}}
	for _, s := range servers {
		r.Servers = append(r.Servers, s.Addr)
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
