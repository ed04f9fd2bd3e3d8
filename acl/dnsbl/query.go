package dnsbl

import (
	"net/netip"
	"strconv"
	"strings"
)

// Query returns the name under which zone lists a: the octets (IPv4) or
// nibbles (IPv6) of a in reverse, then the zone (RFC 5782, 2.1 and 2.4). An
// IPv4-mapped address is asked as the IPv4 address it stands for. The invalid
// address gives the zone itself, as rblsmtpd asks without TCPREMOTEIP.
func Query(a netip.Addr, zone string) string {
	a = a.Unmap()
	if !a.IsValid() {
		return zone
	}
	b := make([]byte, 0, 64+len(zone))
	octets := a.AsSlice()
	for i := len(octets) - 1; i >= 0; i-- {
		if a.Is4() {
			b = append(strconv.AppendUint(b, uint64(octets[i]), 10), '.')
			continue
		}
		const hex = "0123456789abcdef"
		b = append(b, hex[octets[i]&15], '.', hex[octets[i]>>4], '.')
	}
	return string(append(b, zone...))
}

// QueryText is Query for an address given as text, such as TCPREMOTEIP. Text
// that is no address is reversed at its dots, as rblsmtpd does.
func QueryText(ip, zone string) string {
	if a, err := netip.ParseAddr(ip); err == nil {
		return Query(a, zone)
	}
	if ip == "" {
		return zone
	}
	var b strings.Builder
	for ip != "" {
		dot := strings.LastIndexByte(ip, '.')
		b.WriteString(ip[dot+1:])
		b.WriteByte('.')
		ip = ip[:max(dot, 0)]
	}
	return b.String() + zone
}

// mapped is ::ffff:7f00:0 in nibbles, without the first of them. Query would
// ask for the IPv4 address within.
const mapped = "0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."

// MustHave and MustNotHave return the names of the addresses that every list
// has, 127.0.0.2 and ::ffff:7f00:2, and that none has, 127.0.0.1 and
// ::ffff:7f00:1 (RFC 5782, 5). A list that fails this has died, or lists the
// world.
func MustHave(zone string, ip6 bool) string    { return testName('2', zone, ip6) }
func MustNotHave(zone string, ip6 bool) string { return testName('1', zone, ip6) }

func testName(last byte, zone string, ip6 bool) string {
	if ip6 {
		return string(last) + "." + mapped + zone
	}
	return string(last) + ".0.0.127." + zone
}

// A Question is what a policy wants to know of a list, the argument of
// [acl.Listed]: whether it has the client, as A, TXT or both.
type Question struct {
	Zone   string
	A, TXT bool
}

// Arg returns q as the argument of a fact: the zone alone if both are wanted,
// else "A " or "TXT " before it.
func (q Question) Arg() string {
	switch {
	case q.A && !q.TXT:
		return "A " + q.Zone
	case q.TXT && !q.A:
		return "TXT " + q.Zone
	}
	return q.Zone
}

// ParseQuestion is the inverse of Arg. Text without a known prefix is a zone
// from which both are wanted: its TXT record only if it has an A record.
func ParseQuestion(arg string) Question {
	if zone, ok := strings.CutPrefix(arg, "A "); ok {
		return Question{Zone: zone, A: true}
	}
	if zone, ok := strings.CutPrefix(arg, "TXT "); ok {
		return Question{Zone: zone, TXT: true}
	}
	return Question{Zone: arg, A: true, TXT: true}
}
