package dnslist

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"doorward/acl"
	"doorward/launcher/lookup"
)

// dnsPort is where DNS servers listen.
const dnsPort = 53

// maxServers is how many servers make sense within one list's time.
const maxServers = 3

// ParseServers reads the servers to ask: at most three addresses with blanks
// or commas between them, each with a port behind it or not, such as
//
//	127.0.0.1 192.0.2.53:5353 [2001:db8::53]:5353
//
// It returns what it understood and, joined, an [acl.SyntaxError] for each
// word it did not.
func ParseServers(pos acl.Pos, src string) ([]netip.AddrPort, error) {
	var servers []netip.AddrPort
	var errs []error
	for _, word := range strings.FieldsFunc(src, func(c rune) bool { return strings.ContainsRune(", \t\r\n", c) }) {
		server, err := parseServer(word)
		if err == nil && len(servers) == maxServers {
			err = fmt.Errorf("more than %d servers", maxServers)
		}
		if err != nil {
			errs = append(errs, &acl.SyntaxError{Pos: pos, Text: word, Err: err})
			continue
		}
		servers = append(servers, server)
	}
	return servers, errors.Join(errs...)
}

func parseServer(word string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(word); err == nil {
		return netip.AddrPortFrom(a, dnsPort), nil
	}
	ap, err := netip.ParseAddrPort(word)
	if err != nil || ap.Port() == 0 {
		return ap, errors.New("want the address of a DNS server")
	}
	return ap, nil
}

// Servers returns the resolver that asks these servers, for Stub.
func Servers(servers []netip.AddrPort) lookup.DNS {
	r := &lookup.Resolver{Servers: servers}
	return func() *lookup.Resolver { return r }
}

// reread is for how long the servers of resolv.conf are taken for granted: a
// file need not be read for each question.
const reread = 5 * time.Second

// Stub returns a Lookup that asks the servers of dns and leaves them limit
// altogether. Each has a third of its share to answer a first time; a question
// that was lost is asked again, and the answer has two thirds to come. How
// patient a resolv.conf says to be does not count: a mail server's client is
// waiting. Its questions share [lookup.Sockets].
func Stub(dns lookup.DNS, limit time.Duration) Lookup {
	return &stub{dns: dns, limit: limit}
}

type stub struct {
	dns   lookup.DNS
	limit time.Duration

	sockets lookup.Sockets

	mu    sync.Mutex
	last  *lookup.Resolver
	since time.Time
}

func (s *stub) Lookup(ctx context.Context, name string, typ dnsmessage.Type) (lookup.Records, error) {
	return s.resolver().Lookup(ctx, name, typ)
}

func (s *stub) Ask(limit time.Duration, name string, typ dnsmessage.Type, done func(lookup.Records, error)) {
	s.resolver().Ask(limit, name, typ, done)
}

func (s *stub) resolver() *lookup.Resolver {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil || time.Since(s.since) > reread {
		r := *s.dns()
		share := s.limit / time.Duration(3*max(len(r.Servers), 1))
		r.Timeouts = []time.Duration{share, 2 * share}
		r.Sockets = &s.sockets
		s.last, s.since = &r, time.Now()
	}
	return s.last
}
