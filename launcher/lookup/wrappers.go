package lookup

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"doorward/acl"
)

// maxWrapped is how many bytes of a name or user tcp_wrappers keeps.
const maxWrapped = 127

// Wrappers finds facts out as tcp_wrappers does. The zero Wrappers asks this
// machine's system and keeps its warnings to itself.
//
// A client's name is the first one its address has in the system's files or
// DNS. It counts only if it leads back: it is not itself a number, it resolves
// in the family of the address, its canonical name is the name itself
// ("localhost" excepted), and one of its addresses is the client's. If not,
// somebody pretends to be somebody else, or the DNS is in disorder: the answer
// is [acl.Forged] (PARANOID in hosts_access(5)). No name, or a failure to find
// it, is [acl.Unknown].
type Wrappers struct {
	System    System
	IdentPort uint16            // 0: 113
	Warn      func(text string) // is told what is wrong with a name; nil: nobody is
}

// Finders returns finders for Name, LocalName, Ident and Netgroup. The
// argument of Ident is the number of seconds to wait, empty for 10.
func (w Wrappers) Finders() Finders {
	return Finders{
		acl.Name: func(ctx context.Context, r *acl.Request, _ string) acl.Answer {
			return w.name(ctx, r.Remote.Addr(), r.Unix)
		},
		acl.LocalName: func(ctx context.Context, r *acl.Request, _ string) acl.Answer {
			return w.name(ctx, r.Local.Addr(), r.Unix)
		},
		acl.Ident:    w.user,
		acl.Netgroup: w.netgroup,
	}
}

// name finds the verified name of an address. A peer on an AF_UNIX socket is
// this machine.
func (w Wrappers) name(ctx context.Context, a netip.Addr, local bool) acl.Answer {
	if local {
		return acl.Answer{Status: acl.Found, Text: "localhost"}
	}
	if !a.IsValid() {
		return acl.Answer{}
	}
	name, err := w.System.nameOf(ctx, a)
	if err != nil {
		return acl.Answer{}
	}
	if len(name) > maxWrapped {
		name = name[:maxWrapped] // and what is left will not lead back
	}
	if fault := w.fault(ctx, name, a); fault != "" {
		if w.Warn != nil {
			w.Warn(fault)
		}
		return acl.Answer{Status: acl.Forged}
	}
	return acl.Answer{Status: acl.Found, Text: name}
}

// fault says, in the words of tcp_wrappers, why name does not lead back to a;
// empty if it does.
func (w Wrappers) fault(ctx context.Context, name string, a netip.Addr) string {
	family, other := numeric4(name), numeric6(name)
	if a.Is6() {
		family, other = other, family
	}
	if family {
		return "host name/name mismatch: reverse lookup results in non-FQDN " + name
	}
	canonical, addrs, err := w.System.addrsOf(ctx, name, a.Is4())
	switch {
	case err != nil || other: // nor does the C library take a number of the other family
		return "can't verify hostname: getaddrinfo(" + name + ", " + familyName(a) + ") failed"
	case !strings.EqualFold(canonical, name) && !strings.EqualFold(name, "localhost"):
		return "host name/name mismatch: " + name + " != " + canonical
	case !slices.Contains(addrs, a.WithZone("")):
		return "host name/address mismatch: " + a.String() + " != " + canonical
	}
	return ""
}

func familyName(a netip.Addr) string {
	if a.Is4() {
		return "AF_INET"
	}
	return "AF_INET6"
}

// numeric6 reports whether inet_pton(3) would read name as an IPv6 address.
func numeric6(name string) bool {
	a, err := netip.ParseAddr(name)
	return err == nil && a.Is6()
}

// numeric4 reports whether inet_aton(3) would read name as an address: up to
// four numbers with dots, in any base.
func numeric4(name string) bool {
	parts := strings.Split(name, ".")
	if len(parts) > 4 {
		return false
	}
	for i, p := range parts {
		bits := 8
		if i == len(parts)-1 {
			bits = 8 * (4 - i) // the last number fills what is left
		}
		if !number(p, bits) {
			return false
		}
	}
	return true
}

// number reads a C number: 0x begins a hexadecimal, 0 an octal one.
func number(s string, bits int) bool {
	base := 10
	switch {
	case len(s) > 2 && s[0] == '0' && lower(s[1]) == 'x':
		s, base = s[2:], 16
	case len(s) > 1 && s[0] == '0':
		base = 8
	}
	_, err := strconv.ParseUint(s, base, bits)
	return err == nil
}

// user asks the client's ident server. Nobody can be asked about a datagram.
func (w Wrappers) user(ctx context.Context, r *acl.Request, seconds string) acl.Answer {
	if r.Datagram {
		return acl.Answer{}
	}
	wait := 10 * time.Second
	if n, err := strconv.ParseUint(seconds, 10, 31); err == nil && n > 0 {
		wait = time.Duration(n) * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	var user string
	err := askIdent(ctx, r, w.IdentPort, ",", func(reply []byte) bool {
		name, done := WrappersUser(reply, r.Remote.Port(), r.Local.Port())
		user = name
		return done
	})
	if err != nil || user == "" {
		return acl.Answer{}
	}
	return acl.Answer{Status: acl.Found, Text: user}
}

func (w Wrappers) netgroup(_ context.Context, _ *acl.Request, arg string) acl.Answer {
	group, host, _ := strings.Cut(arg, " ")
	if InNetgroup(read(w.System.Netgroup, "/etc/netgroup"), group, host) {
		return acl.Answer{Status: acl.Found, Text: host}
	}
	return acl.Answer{Status: acl.Absent}
}
