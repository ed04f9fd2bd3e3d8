// Package tcprules decides by the rules of tcpserver.
//
// A rule is a line of text, an address, a colon and instructions:
//
//	192.0.2.7:deny
//	192.0.2.10-19:allow,RELAYCLIENT=""
//	192.0.:allow,TCPLOCALHOST="mx.example.net"
//	2001:db8::allow
//	=.example.net:allow
//	joe@=host.example.net:deny
//	:allow,RBLSMTPD=/-go away/
//
// [Parse] reads the text, [FromCDB] the constant database that tcprules(1)
// makes of it, [Load] either. The address is a plain key: nothing in it but a
// range of numbers has a meaning while it is read. What tcpserver(1) looks up
// gives it one, in this order, until there is a rule:
//
//	joe@192.0.2.7       the user according to ident, at the address
//	joe@=h.example.net  the user at the host name
//	192.0.2.7           the address
//	=h.example.net      the host name
//	192.0.2.            shorter and shorter beginnings of the address that
//	                    end in a dot or a colon
//	=.example.net       shorter and shorter ends of the host name that begin
//	                    with a dot
//	=                   any host name
//	                    anything (the empty address)
//
// Steps that need a user or a name are left out for a client that has none. All
// of it is text: 192.0.2.07 and 2001:DB8: match nobody. IPv6 addresses are
// spelt as [acl.AppendIP6] does. Of several rules for one address the first
// counts, and the order of lines means nothing else.
//
// # Prefixes in bits
//
// Beyond the original, 192.0.2.0/24 and [2001:db8::]/32 are prefixes. They
// stand among the beginnings of the address, the longest first: 192.0.2.0/25
// comes before the rule 192.0.2. and 192.0.2.0/24, its equal, after it; an
// IPv6 beginning such as 2001:db8: counts 16 bits a group. Host bits do not
// matter. tcpserver never looks such keys up, so a text that has them means
// less to it; [Rules.Literal] reads it with those eyes. A text without them
// means the same to both.
package tcprules

import (
	"strings"

	"doorward/acl"
	"doorward/acl/cdb"
	"doorward/acl/cidr"
)

// Rules are a policy made of tcpserver's rules: Allow or Deny if there is a
// rule for the client, and Pass if not. They are kept as the constant database
// of the original, so that a million of them are a few large pieces of memory
// without pointers.
//
// A Rules is made by Parse, FromCDB or Load and does not change.
type Rules struct {
	name string
	data []byte
	db   *cdb.Reader

	lines []line           // of a text: which record came from where
	nets  *cidr.Table[net] // keys that are prefixes in bits; nil: none
	facts needs            // what the keys can use
	form6 bool             // IPv4 addresses are spelt ::ffff:192.0.2.7
}

var _ acl.Policy = (*Rules)(nil)

// A line says where in the database the records of a line of text begin.
type line struct{ pos, number uint32 }

// Load reads rules from a constant database or from text. It is taken for a
// database if it is named so (.cdb) or has a zero byte in it: so a database
// that was cut to nothing is an error, not a text without rules.
func Load(name, src string) (*Rules, error) {
	if strings.HasSuffix(name, ".cdb") || strings.IndexByte(src, 0) >= 0 {
		return FromCDB(name, []byte(src))
	}
	return Parse(name, src)
}

// CDB returns the rules as a constant database: for a text, the bytes that
// tcprules(1) writes. Do not change them.
func (r *Rules) CDB() []byte { return r.data }

// Form6 returns the rules as tcpserver -6 looks them up: with IPv4 addresses
// spelt ::ffff:192.0.2.7.
func (r *Rules) Form6() *Rules {
	c := *r
	c.form6 = true
	return &c
}

// Literal returns the rules as the original understands them: without a
// meaning for prefixes in bits.
func (r *Rules) Literal() *Rules {
	c := *r
	c.nets = nil
	return &c
}

// HasPrefixes reports whether Literal makes a difference: whether a key is a
// prefix in bits.
func (r *Rules) HasPrefixes() bool { return r.nets != nil }
