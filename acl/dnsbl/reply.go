package dnsbl

import (
	"fmt"
	"net/netip"
	"strings"

	"doorward/acl"
)

// MaxReply is how long a reply may be, in bytes: with its code well within
// the 512 of a line (RFC 5321, 4.5.3.1.5). MaxRblsmtpd is rblsmtpd's.
const (
	MaxReply    = 400
	MaxRblsmtpd = 200
)

// A Template is a reply with %a for the client's address, %z for the zone that
// lists it, %t for that list's own text and %% for a percent sign. The zero
// Template is "%t", or "%a is listed by %z" where a list has no text.
type Template string

// ParseTemplate returns an error for a % that stands for nothing.
func ParseTemplate(s string) (Template, error) {
	for rest := s; ; {
		_, after, found := strings.Cut(rest, "%")
		if !found {
			return Template(s), nil
		}
		if after == "" || !strings.Contains("azt%", after[:1]) {
			return "", fmt.Errorf("%q: want %%a, %%z, %%t or %%%%", "%"+after[:min(len(after), 1)])
		}
		rest = after[1:]
	}
}

// Expand returns the reply as one printable line of at most [MaxReply] bytes.
func (t Template) Expand(a netip.Addr, zone, text string) string {
	if t == "" && text != "" {
		return Printable(text, MaxReply)
	}
	if t == "" {
		t = "%a is listed by %z"
	}
	r := strings.NewReplacer("%a", a.String(), "%z", zone, "%t", text, "%%", "%")
	return Printable(r.Replace(string(t)), MaxReply)
}

// Printable makes text fit for an SMTP reply or a log line: at most n bytes,
// and a ? for every byte outside the ASCII printable range, so that a list can
// neither end the line nor start another.
func Printable(s string, n int) string {
	b := []byte(s[:min(len(s), n)])
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '?'
		}
	}
	return string(b)
}

// fromEnv decides by RBLSMTPD, if that is set: see the package comment.
func fromEnv(r *acl.Request, n int) (d acl.Decision, ok bool) {
	v, ok := r.Getenv("RBLSMTPD")
	if !ok || v == "" {
		return acl.Decision{}, ok
	}
	text, permanent := strings.CutPrefix(v, "-")
	return acl.Decision{
		Verdict: acl.Deny,
		Reply:   acl.Reply{Text: Printable(text, n), Temporary: !permanent},
		Rule:    acl.Pos{File: "RBLSMTPD"},
	}, true
}

// convention returns reply as a value for RBLSMTPD.
func convention(reply acl.Reply) string {
	if reply.Temporary {
		return reply.Text
	}
	return "-" + reply.Text
}
