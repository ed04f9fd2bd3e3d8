package onlyfrom

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"doorward/acl/cidr"
)

// Check says what is wrong with a word of a list; nil: nothing.
func Check(text string) error {
	_, _, err := parseWord(text)
	return err
}

// parseWord returns the prefixes of a word, or the name it is.
func parseWord(s string) (prefixes []netip.Prefix, name string, err error) {
	switch {
	case strings.EqualFold(s, "ALL"):
		return nil, "", errors.New("a word of hosts.allow; everybody is 0.0.0.0/0 ::/0")
	case strings.Contains(s, "/"):
		prefixes, err = prefix(s)
	case strings.Contains(s, "{"):
		prefixes, err = factorised(s)
	case strings.Contains(s, ":"):
		prefixes, err = ip6(s)
	case numeric(s):
		prefixes, err = ip4(s)
	default:
		name, err = hostName(s)
	}
	return prefixes, name, err
}

// prefix parses ADDRESS/BITS. Host bits do not count.
//
// Through xinetd's dual-stack sockets an IPv4 client comes from
// ::ffff:192.0.2.7, which ::/0 contains. An IPv6 prefix around all mapped
// addresses has IPv4 clients here, too: no_access = ::/0 keeps everybody out.
func prefix(s string) ([]netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return nil, prefixError(s)
	}
	canonical, err := cidr.Canonical(p)
	if err != nil {
		return nil, err
	}
	if p.Addr().Is6() && p.Bits() < 96 && p.Masked().Contains(mapped) {
		return []netip.Prefix{canonical, everyIPv4}, nil
	}
	return []netip.Prefix{canonical}, nil
}

var (
	mapped    = netip.MustParseAddr("::ffff:0.0.0.0")
	everyIPv4 = netip.MustParsePrefix("0.0.0.0/0")
)

func prefixError(s string) error {
	_, bits, _ := strings.Cut(s, "/")
	if mask, err := netip.ParseAddr(bits); err == nil && mask.Is4() {
		return errors.New("want the length of the mask: /24, not /255.255.255.0")
	}
	return errors.New("want ADDRESS/BITS")
}

// factorised parses 192.0.2.{1,7}: the octets before the braces, and those in
// them one after the other. Octets that are missing are anything.
func factorised(s string) ([]netip.Prefix, error) {
	head, tail, _ := strings.Cut(s, "{")
	list, ok := strings.CutSuffix(tail, "}")
	fixed := strings.Split(head, ".") // ends with "", after the last dot
	if !ok || len(fixed) > 4 || fixed[len(fixed)-1] != "" {
		return nil, errFactorised
	}
	var a [4]byte
	last := len(fixed) - 1
	for i, o := range fixed[:last] {
		if a[i], ok = octet(o); !ok {
			return nil, errFactorised
		}
	}
	var prefixes []netip.Prefix
	for o := range strings.SplitSeq(list, ",") {
		if a[last], ok = octet(o); !ok {
			return nil, errFactorised
		}
		prefixes = append(prefixes, netip.PrefixFrom(netip.AddrFrom4(a), 8*(last+1)))
	}
	return prefixes, nil
}

var errFactorised = errors.New("want octets in braces at the end, as in 192.0.2.{1,7}")

func octet(s string) (byte, bool) {
	n, err := strconv.ParseUint(s, 10, 8)
	return byte(n), err == nil && strconv.FormatUint(n, 10) == s
}

func ip6(s string) ([]netip.Prefix, error) {
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil:
		return nil, errors.New("not an IPv6 address")
	case a.Zone() != "":
		return nil, errors.New("an address here has no zone")
	case a.IsUnspecified():
		return nil, errors.New("nobody comes from there; everybody is ::/0")
	}
	a = a.Unmap()
	return []netip.Prefix{netip.PrefixFrom(a, a.BitLen())}, nil
}

// ip4 parses four octets, of which the rightmost zeros stand for anything.
// Fewer octets are a prefix in the manual, and another address in the program
// (10.1 is 10.0.0.1 there): neither is a good guess.
func ip4(s string) ([]netip.Prefix, error) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return nil, errors.New("not an IPv4 address: want four octets up to 255, or ADDRESS/BITS")
	}
	b := a.As4()
	n := 4
	for n > 0 && b[n-1] == 0 {
		n--
	}
	return []netip.Prefix{netip.PrefixFrom(a, 8*n)}, nil
}

// numeric reports whether s is meant for an address: no host name ends in a
// label of digits (RFC 3696, section 2), or in a dot and a star.
func numeric(s string) bool {
	s = strings.TrimSuffix(s, ".")
	last := s[strings.LastIndexByte(s, '.')+1:]
	return strings.Trim(last, "0123456789*") == ""
}

// maxName is how long a name in the DNS can be (RFC 1035, section 2.3.4).
const maxName = 253

// hostName returns the name or, with its leading dot, the domain s in lower
// case. Underscores are let through: names with them do exist.
func hostName(s string) (string, error) {
	name := strings.ToLower(strings.TrimSuffix(s, "."))
	if len(name) > maxName {
		return "", fmt.Errorf("a name has at most %d bytes", maxName)
	}
	for label := range strings.SplitSeq(strings.TrimPrefix(name, "."), ".") {
		if !isLabel(label) {
			return "", errors.New("not an address, a prefix or a name")
		}
	}
	return name, nil
}

func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}
