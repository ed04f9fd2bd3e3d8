package tcprules

import (
	"strconv"
	"strings"
)

// A numbers is an address with a range in it, such as 192.0.2.10-19 or 10.1-2.
type numbers struct {
	before, after string // of the range
	from, to      uint64
}

// cutRange finds the range in an address: the numbers around the first hyphen,
// out to the nearest dots. User and host names have hyphens of their own.
//
// A missing number is 0 and one too large for 64 bits loses its upper bits, as
// in tcprules(1); the last is 255 at most, so a range has 256 addresses or
// fewer, or none if it runs backwards.
func cutRange(address string) (rg numbers, ok bool, err error) {
	hyphen := strings.IndexByte(address, '-')
	if hyphen < 0 || strings.ContainsAny(address, "=@") {
		return numbers{}, false, nil
	}
	from := address[:hyphen]
	to := address[hyphen+1:]
	dot := strings.LastIndexByte(from, '.') + 1
	rg.before, from = from[:dot], from[dot:]
	if dot := strings.IndexByte(to, '.'); dot >= 0 {
		to, rg.after = to[:dot], to[dot:]
	}
	var ok1, ok2 bool
	rg.from, ok1 = number(from)
	rg.to, ok2 = number(to)
	rg.to = min(rg.to, 255)
	if !ok1 || !ok2 {
		return numbers{}, false, errRange
	}
	return rg, true, nil
}

// number reads decimal digits and nothing else. What comes after a zero byte is
// lost, because tcprules(1) reads a C string.
func number(s string) (n uint64, ok bool) {
	s, _, _ = strings.Cut(s, "\x00")
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + uint64(s[i]-'0')
	}
	return n, true
}

// append appends the nth address.
func (rg *numbers) append(b []byte, n uint64) []byte {
	b = append(b, rg.before...)
	b = strconv.AppendUint(b, n, 10)
	return append(b, rg.after...)
}
