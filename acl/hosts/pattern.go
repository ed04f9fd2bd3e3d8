package hosts

import (
	"encoding/binary"
	"net/netip"
	"strings"

	"doorward/acl"
	"doorward/acl/cidr"
)

// A pattern is a pattern for hosts: a word of a client list, what follows the @
// of a daemon, or a word of a pattern file.
type pattern struct {
	op     op
	named  bool         // opText: the word is compared with the name, too
	byMask bool         // opNet: written with a mask
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

// plainNet reports whether p is a prefix and nothing but a prefix.
func (p *pattern) plainNet() bool { return p.op == opNet && !p.net.Contains(broadcast) }

// masked is an IPv4 net with a mask whose ones are not all on the left.
type masked struct{ net, mask uint32 }

// broadcast is the address that libwrap cannot tell from an error, and so never
// finds in a net with a mask.
var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// A set stands for a run of patterns that are prefixes.
type set struct {
	table    *cidr.Table[struct{}]
	patterns []pattern // nil for those of a pattern file
}

// newPattern compiles a token, which is not empty.
func (c *compiler) newPattern(tok string) pattern {
	p := pattern{text: tok}
	switch {
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
	default:
		if net, mask, ok := cutField(tok, '/'); ok {
			c.setMask(&p, net, mask)
		} else {
			c.setText(&p)
		}
	}
	return p
}

// setMask compiles net/mask.
func (c *compiler) setMask(p *pattern, net, mask string) {
	if strings.HasPrefix(net, "[") {
		c.setMask6(p, net, mask)
		return
	}
	n, ok := quad(net)
	m, quadOK := quad(mask)
	if !quadOK {
		bits := atoi(mask)
		quadOK = 1 <= bits && bits <= 32
		m = ^uint32(0) << (32 - min(max(bits, 0), 32))
	}
	switch ones := prefixLen(m); {
	case !ok || !quadOK || n&m != n:
		p.op = opNever
	case ones < 0:
		p.op, p.masked = opMask, &masked{n, m}
	default:
		p.op, p.byMask, p.net = opNet, true, netip.PrefixFrom(addr4(n), ones)
	}
}

// setMask6 compiles [net]/len. libwrap reads the length with atoi(3), and so
// takes what is no number for /0.
func (c *compiler) setMask6(p *pattern, net, length string) {
	a := bracketAddr(net)
	bits := atoi(length)
	if !a.IsValid() || bits < 0 || bits > 128 {
		return
	}
	if !c.compat.v6BadLen && bits == 0 && (length == "" || strings.Trim(length, "0") != "") {
		p.op = opBadLen
		return
	}
	p.op, p.net = opNet, netip.PrefixFrom(a.WithZone(""), bits).Masked()
	if p.net.Addr().Is4In6() && bits >= 96 {
		p.op = opNever // clients with such addresses are IPv4 clients
	}
}

// setText compiles a word. What it says about addresses is worked out here
// where that is possible, so that most of them need no text of the address.
func (c *compiler) setText(p *pattern) {
	p.named = !numeric(p.text)
	if !p.named && p.text[0] != '.' {
		net, ok := leading(p.text)
		if ok {
			p.op, p.net = opNet, net
		}
		return // or digits and dots that are the text of no address: opNever
	}
	p.op, p.word = opText, newWord(p.text)
	if p.word.op == glob && c.numericWildcard(p.text) {
		p.named = false
	}
}

// numericWildcard reports whether a pattern with wildcards is about addresses:
// apart from * and ? it has digits and dots only, and a digit at least.
func (c *compiler) numericWildcard(tok string) bool {
	return !c.compat.wildNumeric && strings.Trim(tok, "0123456789.*?") == "" && strings.ContainsAny(tok, "0123456789")
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

// leading returns the prefix that a numeric pattern means: the address it is,
// or those that begin with its numbers ("192.0.2."). Only numbers as addresses
// are printed will do.
func leading(tok string) (netip.Prefix, bool) {
	n, parts := uint32(0), 0
	for tok != "" {
		part, rest, dot := strings.Cut(tok, ".")
		v := decimal(part)
		if parts++; v < 0 || parts > 4 || dot == (parts == 4) {
			return netip.Prefix{}, false // too many, or the dot is missing that makes it a beginning
		}
		n |= uint32(v) << (32 - 8*parts)
		tok = rest
	}
	return netip.PrefixFrom(addr4(n), 8*parts), parts > 0
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
