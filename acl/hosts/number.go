package hosts

import (
	"math/bits"
	"strconv"
	"strings"
)

// octet reads a number from 0 to 255, as it is printed, from the beginning of s.
// It returns how long it is; 0 if there is none.
func octet(s string) (n uint32, width int) {
	for width < len(s) && width < 4 && kindOf(s[width]) == digit {
		n = 10*n + uint32(s[width]-'0')
		width++
	}
	if n > 255 || width > 3 || width > 1 && s[0] == '0' {
		return 0, 0
	}
	return n, width
}

// decimal reads a number from 0 to 255 the way it is printed, or returns -1.
func decimal(s string) int {
	n, width := octet(s)
	if width == 0 || width < len(s) {
		return -1
	}
	return int(n)
}

// dotted reads an address as it is printed, or the beginning of one
// ("192.0.2."), which ends in a dot. It returns how many parts it has, which
// are on the left of n; 0 if it is neither.
func dotted(s string) (n uint32, parts int) {
	for s != "" {
		v, width := octet(s)
		if width == 0 || parts == 4 {
			return 0, 0
		}
		s = s[width:]
		n |= v << (24 - 8*parts)
		parts++
		if parts == 4 {
			continue // nothing may come behind it
		}
		if s == "" || s[0] != '.' {
			return 0, 0
		}
		s = s[1:]
	}
	return n, parts
}

// printed reports whether s is an IPv4 address as it is printed.
func printed(s string) bool {
	_, parts := dotted(s)
	return parts == 4
}

// quad reads an address of four parts as inet_addr(3) does, where 012 is 10 and
// 0xa is 10. That function has no way to return 255.255.255.255: it is its
// error.
func quad(s string) (n uint32, ok bool) {
	if n, parts := dotted(s); parts == 4 {
		return n, n != ^uint32(0)
	}
	for i := range 4 {
		part, rest, dot := strings.Cut(s, ".")
		if dot != (i < 3) {
			return 0, false
		}
		v := decimal(part)
		if v < 0 {
			v = cNumber(part)
		}
		if v < 0 {
			return 0, false
		}
		n, s = n<<8|uint32(v), rest
	}
	return n, n != ^uint32(0)
}

// cNumber reads an octal or hexadecimal number up to 255 as in C, or returns -1.
func cNumber(s string) int {
	base := 8
	if l := lower(s); strings.HasPrefix(l, "0x") {
		base, s = 16, s[2:]
	} else if !strings.HasPrefix(l, "0") {
		return -1
	}
	v, err := strconv.ParseUint(s, base, 8)
	if err != nil {
		return -1
	}
	return int(v)
}

// atoi is atoi(3): the number a text begins with, 0 if there is none. Out of
// range it is a number that no caller takes.
func atoi(s string) int {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	end := 0
	for end < len(s) && ('0' <= s[end] && s[end] <= '9' || end == 0 && (s[0] == '+' || s[0] == '-')) {
		end++
	}
	n, err := strconv.ParseInt(s[:end], 10, 64)
	if err != nil && n == 0 {
		return 0
	}
	return int(int32(n))
}

// integer reads all of s as sscanf(3) would with %d or %o and nothing behind.
func integer(s string, base int) (int, bool) {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	if strings.ContainsRune(s, '_') {
		return 0, false
	}
	n, err := strconv.ParseInt(s, base, 32)
	return int(n), err == nil
}

// prefixLen returns how many ones the mask has, all of them on the left, or -1.
func prefixLen(mask uint32) int {
	ones := bits.LeadingZeros32(^mask)
	if mask<<ones != 0 {
		return -1
	}
	return ones
}

// portNumber reads a daemon pattern that is a port. libwrap keeps 32 bits of
// the number, so 4294967321 is 25.
func portNumber(tok string) (port int32, ok bool) {
	if !kindsIn(tok).any(digit) {
		return 0, false
	}
	number := strings.TrimLeft(tok, "\v\f")
	digits := number
	if digits != "" && (digits[0] == '+' || digits[0] == '-') {
		digits = digits[1:]
	}
	if digits == "" || strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }) >= 0 {
		return 0, false
	}
	n, _ := strconv.ParseInt(number, 10, 64) // out of range it is the last one in range, as in C
	return int32(uint32(n)), uint32(n) <= 65535
}
