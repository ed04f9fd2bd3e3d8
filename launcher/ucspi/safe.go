package ucspi

import "strings"

const (
	maxHost = 253 // RFC 1035, 2.3.4, as text without the final dot
	maxUser = 64
)

// SafeHost returns name in lower case and without a final dot, or false if
// it holds anything but letters, digits, hyphen, underscore and dot, begins
// with a hyphen or a dot, is empty or is longer than 253 bytes. Whoever runs
// the client's DNS chooses the name: a line feed in it would put a header of
// theirs into every message, a hyphen in front make an option of it.
func SafeHost(name string) (string, bool) {
	name = strings.TrimSuffix(name, ".")
	if name == "" || len(name) > maxHost || name[0] == '-' || name[0] == '.' {
		return "", false
	}
	upper := false
	for i := range len(name) {
		if !safe(name[i]) {
			return "", false
		}
		upper = upper || 'A' <= name[i] && name[i] <= 'Z'
	}
	if upper {
		name = strings.ToLower(name)
	}
	return name, true
}

// SafeUser returns info, or false if it holds anything but letters, digits,
// hyphen, underscore and dot, begins with a hyphen, is empty or is longer
// than 64 bytes. The client's machine says what it likes there (RFC 1413,
// section 6).
func SafeUser(info string) (string, bool) {
	if info == "" || len(info) > maxUser || info[0] == '-' {
		return "", false
	}
	for i := range len(info) {
		if !safe(info[i]) {
			return "", false
		}
	}
	return info, true
}

func safe(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '_' || c == '.'
}
