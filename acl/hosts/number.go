package hosts

import (
	"math/bits"
	"strconv"
	"strings"
)

// decimal reads a number from 0 to 255 the way it is printed, or returns -1.
func decimal(s string) int {
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil || len(s) > 1 && s[0] == '0' {
		return -1
	}
	return int(n)
}

// quad reads an address of four parts as inet_addr(3) does, where 012 is 10 and
// 0xa is 10. That function has no way to return 255.255.255.255: it is its
// error.
func quad(s string) (n uint32, ok bool) {
	parts := strings.Split(s, ".")
	if len(parts) != 4 {
		return 0, false
	}
	for _, p := range parts {
		if p == "" || strings.ContainsAny(p, "+-_") || strings.HasPrefix(lower(p), "0b") || strings.HasPrefix(lower(p), "0o") {
			return 0, false
		}
		v, err := strconv.ParseUint(p, 0, 8)
		if err != nil {
			return 0, false
		}
		n = n<<8 | uint32(v)
	}
	return n, n != ^uint32(0)
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
func portNumber(tok string) (port int, ok bool) {
	digits := strings.TrimLeft(tok, "\v\f")
	n, err := strconv.ParseInt(digits, 10, 64)
	if digits == "" || strings.Trim(strings.TrimLeft(digits, "+-"), "0123456789") != "" {
		return 0, false
	}
	if err != nil && n == 0 || uint32(n) > 65535 {
		return 0, false
	}
	return int(uint32(n)), true
}
