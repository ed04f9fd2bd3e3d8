package lookup

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"doorward/acl"
)

// UCSPI finds facts out as tcpserver and tcp-env do: names from DNS alone,
// the first one an address has, in lower case. Whoever runs the DNS of an
// address says what its name is; nothing here leads back to the address
// unless Paranoid.
type UCSPI struct {
	DNS      DNS           // whom to ask; nil: ResolvConf("/etc/resolv.conf")
	Paranoid bool          // a client's name must lead back to its address (tcpserver -p)
	Wait     time.Duration // for an ident server; 0: it is asked, its reply not waited for (-t 0)

	IdentPort uint16 // 0: 113
}

// TCPServer returns finders for Name, LocalName and Ident as tcpserver has
// them. A byte other than a letter, digit, hyphen or underscore in a name
// becomes \ooo; what cannot be found out is Unknown or Absent.
func (u UCSPI) TCPServer() Finders {
	return Finders{
		acl.Name: func(ctx context.Context, r *acl.Request, _ string) acl.Answer {
			if u.Paranoid {
				return u.verified(ctx, r.Remote.Addr(), octal)
			}
			return u.name(ctx, r.Remote.Addr(), octal)
		},
		acl.LocalName: func(ctx context.Context, r *acl.Request, _ string) acl.Answer {
			return u.name(ctx, r.Local.Addr(), octal)
		},
		acl.Ident: u.identFinder(TCPServerUser),
	}
}

// TCPEnv returns finders for Name, LocalName and Ident as tcp-env has them.
// Odd bytes in a name are written as the resolver library does, \; or \032;
// a temporary failure is [acl.Failed].
func (u UCSPI) TCPEnv() Finders {
	return Finders{
		acl.Name: func(ctx context.Context, r *acl.Request, _ string) acl.Answer {
			return u.name(ctx, r.Remote.Addr(), presentation)
		},
		acl.LocalName: func(ctx context.Context, r *acl.Request, _ string) acl.Answer {
			return u.name(ctx, r.Local.Addr(), presentation)
		},
		acl.Ident: u.identFinder(TCPEnvUser),
	}
}

func (u UCSPI) resolver() *Resolver {
	if u.DNS == nil {
		return ResolvConf("/etc/resolv.conf")()
	}
	return u.DNS()
}

func (u UCSPI) name(ctx context.Context, a netip.Addr, write func(string) string) acl.Answer {
	if !a.IsValid() {
		return acl.Answer{}
	}
	name, err := firstPTR(ctx, u.resolver(), a)
	if err != nil {
		return failed(err)
	}
	return acl.Answer{Status: acl.Found, Text: write(name)}
}

// verified is name, for a name that must lead back to the address.
func (u UCSPI) verified(ctx context.Context, a netip.Addr, write func(string) string) acl.Answer {
	if !a.IsValid() {
		return acl.Answer{}
	}
	dns := u.resolver()
	name, err := firstPTR(ctx, dns, a)
	if err != nil {
		return failed(err)
	}
	typ := dnsmessage.TypeAAAA
	if a.Is4() {
		typ = dnsmessage.TypeA
	}
	rec, err := dns.Lookup(ctx, name, typ)
	switch {
	case err != nil && !errors.Is(err, ErrAbsent):
		return failed(err)
	case !slices.Contains(rec.Addrs, a.WithZone("")):
		return acl.Answer{Status: acl.Forged}
	}
	return acl.Answer{Status: acl.Found, Text: write(name)}
}

func failed(err error) acl.Answer {
	if errors.Is(err, ErrAbsent) {
		return acl.Answer{Status: acl.Absent}
	}
	return acl.Answer{Status: acl.Failed}
}

// questionTime is how long a question may take to be put to a client whose
// answer nobody waits for (-t 0): the originals put it all the same.
const questionTime = 250 * time.Millisecond

func (u UCSPI) identFinder(room int) Finder {
	return func(ctx context.Context, r *acl.Request, _ string) acl.Answer {
		if u.Wait <= 0 {
			ctx, cancel := context.WithTimeout(ctx, questionTime)
			defer cancel()
			askIdent(ctx, r, u.IdentPort, " , ", nil)
			return acl.Answer{}
		}
		ctx, cancel := context.WithTimeout(ctx, u.Wait)
		defer cancel()
		var user string
		err := askIdent(ctx, r, u.IdentPort, " , ", func(reply []byte) bool {
			name, done := UCSPIUser(reply, room)
			user = name
			return done
		})
		if err != nil {
			return acl.Answer{}
		}
		return acl.Answer{Status: acl.Found, Text: user}
	}
}

// octal writes a name as ucspi-tcp does.
func octal(name string) string {
	if name == "" {
		return "." // the root
	}
	b := make([]byte, 0, len(name))
	for _, c := range []byte(name) {
		c = lower(c)
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.' {
			b = append(b, c)
			continue
		}
		b = append(b, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
	}
	return string(b)
}

// presentation writes a name as the resolver library does (RFC 4343, 2.1).
func presentation(name string) string {
	b := make([]byte, 0, len(name))
	for _, c := range []byte(name) {
		switch {
		case c <= ' ' || c >= 0x7f:
			b = append(b, '\\', '0'+c/100, '0'+c/10%10, '0'+c%10)
		case strings.IndexByte(`";\()@$`, c) >= 0:
			b = append(b, '\\', c)
		default:
			b = append(b, lower(c))
		}
	}
	return string(b)
}
