package hosts

import (
	"net/netip"

	"doorward/acl"
)

// A subject is a request on its way through the rules.
type subject struct {
	r              *acl.Request
	daemon         string // lower case
	client, server host
	denies         bool // the rule being looked at keeps out whom it matches
	notes          []acl.Note
	nobody         func(user string) bool // see compat
}

func newSubject(r *acl.Request) subject {
	return subject{
		r: r, daemon: lower(r.Daemon),
		client: host{r: r, kind: acl.Name, addr: r.Remote.Addr(), unix: r.Unix},
		server: host{r: r, kind: acl.LocalName, addr: r.Local.Addr(), unix: r.Unix},
	}
}

// A host is one of the two ends of a connection.
type host struct {
	r    *acl.Request
	kind acl.Kind // of the fact that is its name
	addr netip.Addr
	unix bool
	text string // addr as patterns see it, once it is needed
}

// addrText is the address in lower case, never in IPv4-mapped form.
func (h *host) addrText() string {
	switch {
	case h.text != "":
	case h.unix:
		h.text = "localhost"
	default:
		h.text = lower(acl.AddrText(h.addr))
	}
	return h.text
}

// name asks for the name, if nobody has; it is in lower case.
func (h *host) name() string { return lower(acl.HostName(h.r, h.kind)) }

func (h *host) user() string { return lower(acl.User(h.r)) }

// known reports whether a name is one. A host that calls itself "unknown" has
// only itself to blame.
func known(name string) bool { return name != acl.UnknownName && name != acl.ParanoidName }
