package question

import (
	"context"
	"net/netip"

	"doorward/acl"
	"doorward/launcher/lookup"
)

// NameOf returns the verified name of an address as tcpd would find it, or ""
// or acl.ParanoidName. warn, if not nil, is told why a name does not lead back
// to the address.
func NameOf(ctx context.Context, a netip.Addr, warn func(text string)) string {
	r := &acl.Request{Remote: netip.AddrPortFrom(a, 0)}
	switch answer := (lookup.Wrappers{Warn: warn}).Finders()[acl.Name](ctx, r, ""); answer.Status {
	case acl.Found:
		return answer.Text
	case acl.Forged:
		return acl.ParanoidName
	}
	return ""
}

// Netgroup answers an acl.Netgroup fact from the system's netgroups.
func Netgroup(arg string) acl.Answer {
	return (lookup.Wrappers{}).Finders()[acl.Netgroup](context.Background(), nil, arg)
}
