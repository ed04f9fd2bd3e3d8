//go:build linux

package netbox

import (
	"net/netip"
	"slices"
	"strings"

	"doorward/cmd/internal/netbox/record"
)

// The intended differences, by corpus.
var (
	TCPServer = []Design{
		{"USER-NAME", "-u with a name is an error, not root", refuseUserName},
	}
	RBLSMTPD = []Design{
		{"RBL-IPV6", "an IPv6 client is looked up by its nibbles (RFC 5782, 2.4)", askNibbles},
	}
	TCPEnv = []Design{
		{"TCPENV-IPV6", "over IPv6 PROTO is TCP6 and the addresses are real, as tcpserver sets them", realAddresses},
	}
)

// refuseUserName changes the record of a server that was told to become a
// user by name, and stayed root, into that of one which did not start.
func refuseUserName(c *record.Case, e *record.Expect) bool {
	u := slices.Index(c.Args, "-u")
	if u < 0 || u+1 >= len(c.Args) || strings.Trim(c.Args[u+1], "0123456789") == "" {
		return false
	}
	*e = record.Expect{Exit: 100, Stderr: e.Stderr, Syslog: e.Syslog}
	return true
}

// askNibbles changes the questions about an IPv6 client that the original put,
// which no list can answer, into the right ones.
func askNibbles(c *record.Case, e *record.Expect) bool {
	ip := c.Env["TCPREMOTEIP"]
	a, err := netip.ParseAddr(ip)
	if err != nil || !a.Is6() || e.DNS == nil {
		return false
	}
	for i, q := range *e.DNS {
		(*e.DNS)[i][0] = strings.Replace(q[0], ip, nibbles(a), 1)
	}
	return true
}

// nibbles returns a in the form of RFC 5782: the octets of an IPv4-mapped
// address, the nibbles of any other, in reverse.
func nibbles(a netip.Addr) string {
	const digits = "0123456789abcdef"
	var words []string
	for _, octet := range slices.Backward(a.AsSlice()) {
		words = append(words, digits[octet&15:][:1], digits[octet>>4:][:1])
	}
	return strings.Join(words, ".")
}

// realAddresses changes the zeros that tcp-env sets for an IPv6 socket into
// the addresses of the connection.
func realAddresses(c *record.Case, e *record.Expect) bool {
	if e.Env["TCPREMOTEIP"] != "0.0.0.0" || c.Stdin != "" {
		return false
	}
	e.Env["TCPREMOTEIP"], e.Env["TCPLOCALIP"] = c.Client.Addr, c.Server.Addr
	return true
}

var TCPD []Design
