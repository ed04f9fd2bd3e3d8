package hosts

import (
	"encoding/binary"
	"net/netip"
	"strings"

	"doorward/acl"
)

// A pattern is a pattern for hosts: a word of a client list, what follows the @
// of a daemon, or a word of a pattern file.
type pattern struct {
	op     op
	named  bool         // opText: the word is compared with the name, too
	byMask bool         // opNet: written with a mask
	tidy   bool         // opNet: there is nothing odd about how it is written
	text   string       // as written
	net    netip.Prefix // opNet
	word   *word        // opText
	masked *masked      // opMask
	file   *patternFile // opFile
	set    *set         // opSet
}

type op uint8

const (
	opNever    op = iota // matches nobody and asks for nothing
	opAll                // ALL
	opText               // a word for the address and, if named, for the name
	opNet                // net/len, an address, or the leading numbers of one
	opMask               // net/mask where the mask is no prefix
	opBadLen             // [2001:db8::]/x
	opKnown              // KNOWN
	opLocal              // LOCAL
	opNetgroup           // @group
	opFile               // /file
	opSet                // many opNet in one
)

// masked is an IPv4 net with a mask whose ones are not all on the left.
type masked struct{ net, mask uint32 }

// broadcast is the address that libwrap cannot tell from an error, and so never
// finds in a net with a mask.
var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// hostPattern compiles a token, which is not empty and consists of these kinds
// of bytes.
func (c *compiler) hostPattern(p *pattern, tok string, has kinds) {
	p.text = tok
	switch {
	case has.only(digit | dot):
		c.setNumber(p)
	case tok[0] == '@':
		p.op = opNetgroup
	case tok[0] == '/':
		p.op, p.file = opFile, c.patternFile(tok)
	case fold(tok, "known"):
		p.op = opKnown
	case fold(tok, "local"):
		p.op = opLocal
	case fold(tok, "all"):
		p.op = opAll
	case has.any(slash):
		c.setMask(p, has)
	default:
		c.setText(p, has)
	}
	c.lintPattern(p)
}

// setMask compiles net/mask.
func (c *compiler) setMask(p *pattern, has kinds) {
	net, mask, ok := cutField(p.text, '/')
	switch {
	case !ok: // it is within brackets
		c.setText(p, has)
		return
	case net != "" && net[0] == '[':
		c.setMask6(p, net, mask)
		return
	}
	n, ok := quad(net)
	m, maskOK := mask4(mask)
	switch ones := prefixLen(m); {
	case !ok || !maskOK || n&m != n:
		p.op = opNever
	case ones < 0:
		p.op, p.masked = opMask, &masked{n, m}
	default:
		p.op, p.byMask, p.net = opNet, true, netip.PrefixFrom(addr4(n), ones)
		p.tidy = printed(net) && decimal(mask) == ones
	}
}

// mask4 reads a mask, or the number of its ones.
func mask4(s string) (mask uint32, ok bool) {
	ones := decimal(s)
	if ones < 0 {
		if mask, ok = quad(s); ok {
			return mask, true
		}
		ones = atoi(s)
	}
	if ones < 1 || ones > 32 {
		return 0, false
	}
	return ^uint32(0) << (32 - ones), true
}

// setMask6 compiles [net]/len. libwrap reads the length with atoi(3), and so
// takes what is no number for /0.
func (c *compiler) setMask6(p *pattern, net, length string) {
	a := bracketAddr(net)
	bits := decimal(length)
	if bits < 0 {
		bits = atoi(length)
	}
	if !a.IsValid() || bits < 0 || bits > 128 {
		return
	}
	if !c.compat.v6BadLen && bits == 0 && (length == "" || strings.Trim(length, "0") != "") {
		p.op = opBadLen
		return
	}
	a = a.WithZone("")
	p.op, p.net = opNet, netip.PrefixFrom(a, bits).Masked()
	if a.Is4In6() && bits >= 96 {
		p.op = opNever // clients with such addresses are IPv4 clients
	}
	p.tidy = p.op == opNet && p.net.Addr() == a
}

// setNumber compiles digits and dots. What they say about addresses is worked out
// here, so that most addresses need no text of the client's.
func (c *compiler) setNumber(p *pattern) {
	if p.text[0] == '.' {
		c.setText(p, digit|dot)
		return
	}
	n, parts := dotted(p.text)
	if parts > 0 { // else they are the text of no address: opNever
		p.op, p.net = opNet, netip.PrefixFrom(addr4(n), 8*parts)
	}
}

// setText compiles a word that may be a name.
func (c *compiler) setText(p *pattern, has kinds) {
	p.op, p.word = opText, c.newWord(p.text, has)
	p.named = !has.only(digit|dot) && !c.numericWildcard(has)
}

// numericWildcard reports whether a pattern with wildcards is about addresses:
// apart from * and ? it has digits and dots only, and a digit at least.
func (c *compiler) numericWildcard(has kinds) bool {
	return !c.compat.wildNumeric && numericGlob(has)
}

func numericGlob(has kinds) bool {
	return has.only(digit|dot|wild) && has.any(digit) && has.any(wild)
}

// match reports whether h fits. It asks for the name of h where libwrap does.
func (p *pattern) match(s *subject, h *host, except bool) bool {
	switch p.op {
	case opAll:
		return true
	case opNet:
		return p.net.Contains(h.addr.WithZone("")) && !(p.byMask && h.addr == broadcast)
	case opMask:
		return h.addr.Is4() && u32(h.addr)&p.masked.mask == p.masked.net && h.addr != broadcast
	case opText:
		return p.word.match(h.addrText()) || p.named && p.word.match(h.name())
	case opSet:
		return !h.addr.Is4In6() && p.set.table.Contains(h.addr)
	case opKnown:
		return known(h.name()) && h.addrText() != acl.UnknownName
	case opLocal:
		name := h.name()
		return known(name) && !strings.Contains(name, ".")
	case opNetgroup:
		name := acl.HostName(s.r, h.kind)
		return s.r.Get(acl.Netgroup, p.text[1:]+" "+name).Status == acl.Found
	case opFile:
		return p.file.match(s, h, except)
	case opBadLen:
		return h.addr.Is6() && s.denies != except
	}
	return false
}

func addr4(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}

func u32(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}
