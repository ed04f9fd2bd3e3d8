package dnsbl

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Codes are the A records that count as a listing. The zero Codes are all of
// 127.0.0.0/8 but 127.0.0.1, which no list gives to a client (RFC 5782, 2.1).
type Codes struct {
	patterns []pattern
	src      string
}

// A pattern is one address in which an octet may be any of several.
type pattern [4]octets

// octets is a set of numbers from 0 to 255.
type octets [4]uint64

func (o *octets) add(n uint8)      { o[n>>6] |= 1 << (n & 63) }
func (o *octets) has(n uint8) bool { return o[n>>6]&(1<<(n&63)) != 0 }

// Match reports whether a counts as a listing.
func (c Codes) Match(a netip.Addr) bool {
	if !a.Is4() {
		return false
	}
	o := a.As4()
	if len(c.patterns) == 0 {
		return o[0] == 127 && o != [4]byte{127, 0, 0, 1}
	}
	for i := range c.patterns {
		if c.patterns[i].match(o) {
			return true
		}
	}
	return false
}

func (p *pattern) match(o [4]byte) bool {
	return p[0].has(o[0]) && p[1].has(o[1]) && p[2].has(o[2]) && p[3].has(o[3])
}

// String returns c as it was written; empty for the zero Codes.
func (c Codes) String() string { return c.src }

// maxPatterns bounds what one word of a configuration may cost per answer.
const maxPatterns = 64

// ParseCodes reads patterns with semicolons between them, as postscreen(8)
// has them: a pattern is an address within 127.0.0.0/8, where instead of a
// number there may be a set of numbers and ranges in brackets:
//
//	127.0.0.2;127.0.0.[4..7;10;11]
func ParseCodes(src string) (Codes, error) {
	c := Codes{src: src}
	for rest := src; ; {
		var p pattern
		var err error
		if p, rest, err = parsePattern(rest); err != nil {
			return Codes{}, err
		}
		c.patterns = append(c.patterns, p)
		if rest == "" {
			return c, nil
		}
		if len(c.patterns) == maxPatterns {
			return Codes{}, fmt.Errorf("more than %d codes", maxPatterns)
		}
		if rest[0] != ';' {
			return Codes{}, errors.New("want ; between two codes")
		}
		rest = rest[1:]
	}
}

var errPattern = errors.New("want codes such as 127.0.0.[2..11]")

// parsePattern reads one pattern from the front of s.
func parsePattern(s string) (p pattern, rest string, err error) {
	for i := range p {
		if i > 0 {
			if !strings.HasPrefix(s, ".") {
				return p, s, errPattern
			}
			s = s[1:]
		}
		if s, err = p[i].parse(s); err != nil {
			return p, s, err
		}
	}
	if p[0] != localNet {
		return p, s, errors.New("a code begins with 127")
	}
	if p[1] == refused && p[2] == refused {
		return p, s, errors.New("127.255.255.0/24 are lists that refuse to answer, not codes")
	}
	return p, s, nil
}

var localNet, refused = only(127), only(255)

func only(n uint8) (o octets) { o.add(n); return o }

// parse reads a number or a set in brackets from the front of s.
func (o *octets) parse(s string) (rest string, err error) {
	if !strings.HasPrefix(s, "[") {
		i := 0
		for i < len(s) && '0' <= s[i] && s[i] <= '9' {
			i++
		}
		n, err := strconv.ParseUint(s[:i], 10, 8)
		if err != nil {
			return s, errPattern
		}
		o.add(uint8(n))
		return s[i:], nil
	}
	set, rest, ok := strings.Cut(s[1:], "]")
	if !ok {
		return s, errPattern
	}
	for item := range strings.SplitSeq(set, ";") {
		if err := o.addRange(item); err != nil {
			return s, err
		}
	}
	return rest, nil
}

// addRange adds "n" or "n..m".
func (o *octets) addRange(item string) error {
	first, last, ranged := strings.Cut(item, "..")
	if !ranged {
		last = first
	}
	lo, err1 := strconv.ParseUint(first, 10, 8)
	hi, err2 := strconv.ParseUint(last, 10, 8)
	if err1 != nil || err2 != nil || lo > hi {
		return errPattern
	}
	for n := lo; n <= hi; n++ {
		o.add(uint8(n))
	}
	return nil
}
