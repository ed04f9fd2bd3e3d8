//go:build linux

package netbox

import (
	"fmt"
	"maps"
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
// which no list can answer, into the right ones. If a list then has the
// client, it is refused.
func askNibbles(c *record.Case, e *record.Expect) bool {
	ip := c.Env["TCPREMOTEIP"]
	a, err := netip.ParseAddr(ip)
	if err != nil || !a.Is6() || e.DNS == nil {
		return false
	}
	for i, q := range *e.DNS {
		name := strings.Replace(q[0], backwards(ip), nibbles(a.Unmap()), 1)
		(*e.DNS)[i][0] = name
		if texts, ok := c.DNS.TXT[name].([]any); ok {
			refuse(c, e, fmt.Sprint("451 ", texts[0]))
		}
	}
	return true
}

// backwards is how rblsmtpd reverses any text: between dots.
func backwards(ip string) string {
	parts := strings.Split(ip, ".")
	slices.Reverse(parts)
	return strings.Join(parts, ".")
}

// refuse changes the record of a client that was let in into that of one which
// holds rblsmtpd's dialogue to its end.
func refuse(c *record.Case, e *record.Expect, reply string) {
	stderr := fmt.Sprintf("rblsmtpd: %s pid PID: %s\n", c.Env["TCPREMOTEIP"], reply)
	e.Stderr, e.Daemon = &stderr, record.Daemon{}
	e.Received = "220 rblsmtpd.local\r\n"
	for line := range strings.Lines(c.Input) {
		verb, _, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		switch strings.ToUpper(verb) {
		case "HELO", "EHLO", "MAIL", "RSET", "NOOP":
			e.Received += "250 rblsmtpd.local\r\n"
		case "QUIT":
			e.Received += "221 rblsmtpd.local\r\n"
		default:
			e.Received += reply + "\r\n"
		}
	}
}

// nibbles returns a in the form of RFC 5782: the octets of an IPv4-mapped
// address, the nibbles of any other, in reverse.
func nibbles(a netip.Addr) string {
	if a.Is4() {
		return backwards(a.String())
	}
	const digits = "0123456789abcdef"
	var words []string
	for _, octet := range slices.Backward(a.AsSlice()) {
		words = append(words, digits[octet&15:][:1], digits[octet>>4:][:1])
	}
	return strings.Join(words, ".")
}

// realAddresses changes the zeros that tcp-env sets for an IPv6 socket, and
// the names it then cannot look up, into those of the connection. A socket
// that carries IPv4 is as good as an IPv4 socket; for any other there are the
// TCP6 variables as well.
func realAddresses(c *record.Case, e *record.Expect) bool {
	if e.Env["TCPREMOTEIP"] != "0.0.0.0" || c.Stdin != "" {
		return false
	}
	setEnd(e.Env, "LOCAL", c.Server.Addr, c.DNS)
	setEnd(e.Env, "REMOTE", c.Client.Addr, c.DNS)
	if !strings.Contains(c.Client.Addr, ":") {
		return true
	}
	e.Env["PROTO"] = "TCP6"
	for name, v := range maps.Clone(e.Env) {
		if rest, ok := strings.CutPrefix(name, "TCP"); ok {
			e.Env["TCP6"+rest] = v
		}
	}
	return true
}

// setEnd sets the address of one end, and its name if the zone has one.
func setEnd(env map[string]string, end, addr string, zone *record.Zone) {
	env["TCP"+end+"IP"] = addr
	if zone == nil {
		return
	}
	if names, ok := zone.PTR[addr].([]any); ok && len(names) > 0 {
		env["TCP"+end+"HOST"] = strings.ToLower(fmt.Sprint(names[0]))
	}
}
