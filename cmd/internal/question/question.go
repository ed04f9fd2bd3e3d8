// Package question reads the two words in which tcpdmatch(8) and doorward
// explain are asked about a client, daemon[@server] and [user@]client, and
// finds the hosts they name.
//
// A host is an address, a name, or one of the words unknown and paranoid,
// which stand for a host of which nothing is known and for one whose name does
// not lead back to its address (hosts_access(5)).
package question

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"path"
	"slices"
	"strings"

	"doorward/acl"
)

// A Question is who wants what, as it was typed.
type Question struct {
	Daemon string
	Server string // acl.UnknownName if not given
	User   string // likewise
	Client string
}

// Parse takes the two words apart, each at its first @.
func Parse(daemon, client string) Question {
	q := Question{Daemon: daemon, Server: acl.UnknownName, User: acl.UnknownName, Client: client}
	if d, server, ok := strings.Cut(daemon, "@"); ok {
		q.Daemon, q.Server = d, server
	}
	if user, host, ok := strings.Cut(client, "@"); ok {
		q.Client = host
		if user != "" {
			q.User = user
		}
	}
	return q
}

// ProcessName returns what the rules call a daemon that was given with its
// path: its last component.
func ProcessName(daemon string) string {
	if strings.HasPrefix(daemon, "/") {
		return path.Base(daemon)
	}
	return daemon
}

// A Host is an end of a connection.
type Host struct {
	Name   string // official; "" for an address, acl.UnknownName or acl.ParanoidName for the words
	Addr   netip.Addr
	Mapped bool // the address was written ::ffff:192.0.2.7

	// Resolved says that Addr was found out rather than given. tcpd knows
	// nothing of the word that led to it: to tcpd the host has the name that
	// the address has.
	Resolved bool
}

// Answer is what a name server would have said of the host if its name is not
// to be looked up: the name it was given by, if it was.
func (h Host) Answer() acl.Answer {
	switch h.Name {
	case "", acl.UnknownName:
		return acl.Answer{}
	case acl.ParanoidName:
		return acl.Answer{Status: acl.Forged}
	}
	return acl.Answer{Status: acl.Found, Text: h.Name}
}

// ErrNotFound is the error of Hosts for a name that nobody knows.
var ErrNotFound = errors.New("host not found")

// Hosts returns all hosts that word means: one for each address of a name, in
// the order in which the system prefers them. Their Name is the official one,
// which is another than word if that is an alias. A short address such as 127.1
// is read as inet_aton(3) reads it.
func Hosts(ctx context.Context, word string) ([]Host, error) {
	switch strings.ToLower(word) {
	case acl.UnknownName, acl.ParanoidName:
		return []Host{{Name: strings.ToLower(word)}}, nil
	}
	if a, err := netip.ParseAddr(word); err == nil {
		return []Host{{Addr: a.Unmap(), Mapped: a.Is4In6()}}, nil
	}
	if a, ok := shortAddr(word); ok {
		return []Host{{Addr: a, Resolved: true}}, nil
	}
	if !nameLike(word) {
		return nil, ErrNotFound
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", word)
	if err != nil || len(addrs) == 0 {
		return nil, ErrNotFound
	}
	name := official(ctx, word)
	var hosts []Host
	for _, a := range addrs {
		h := Host{Name: name, Addr: a.Unmap(), Resolved: true}
		if !slices.Contains(hosts, h) {
			hosts = append(hosts, h)
		}
	}
	return preferred(hosts), nil
}

// preferred puts hosts that there is no way to into the order of getaddrinfo(3):
// those with IPv6 addresses first (RFC 6724, 6, rule 6). Package net leaves
// them as they come, behind all others.
func preferred(hosts []Host) []Host {
	none := slices.IndexFunc(hosts, func(h Host) bool { return !routed(h.Addr) })
	if none < 0 {
		return hosts
	}
	slices.SortStableFunc(hosts[none:], func(a, b Host) int { return cmp.Compare(b.Addr.BitLen(), a.Addr.BitLen()) })
	return hosts
}

// routed reports whether the system would send something to a. It sends
// nothing.
func routed(a netip.Addr) bool {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, 9)))
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// nameLike keeps words from the resolver that can be no names.
func nameLike(word string) bool {
	return word != "" && len(word) < 256 && !strings.ContainsAny(word, " \t\r\n:@/*?[]<>\\#%,\x00")
}

// official returns the canonical name, or word itself if there is no telling.
func official(ctx context.Context, word string) string {
	name, err := net.DefaultResolver.LookupCNAME(ctx, word)
	name = strings.TrimSuffix(name, ".")
	if err != nil || name == "" || strings.EqualFold(name, word) {
		return word
	}
	return name
}
