package acl

import (
	"net/netip"
	"strings"
)

// What tcp_wrappers calls somebody about whom it knows nothing, and somebody
// whose name does not lead back to the address. Rules match these words, log
// lines and commands contain them.
const (
	UnknownName  = "unknown"
	ParanoidName = "paranoid"
)

// maxName is where tcp_wrappers cuts names of hosts and users: its buffers
// hold 128 bytes, the last of them a NUL.
const maxName = 127

// Client returns the client as tcp_wrappers writes it in "connect from" lines:
// "user@host (address)", where user@ is left out if nobody knows the user, and
// host is the name if it has been asked for already, else the address. It asks
// for nothing and cleans nothing: the text is for a log that escapes.
func Client(r *Request) string { return ClientName(r) + " (" + ClientAddr(r) + ")" }

// ClientName returns "user@host" or "host", what %c stands for
// (hosts_access(5)). It says what is known already and asks for nothing.
func ClientName(r *Request) string {
	host := hostText(r, Name, ClientAddr)
	if _, known := r.Known(Ident, ""); !known {
		return host
	}
	if user := User(r); !strings.EqualFold(user, UnknownName) {
		return user + "@" + host
	}
	return host
}

// ServerName returns "daemon@host" or "daemon", what %s stands for.
func ServerName(r *Request) string {
	host := hostText(r, LocalName, ServerAddr)
	if strings.EqualFold(host, UnknownName) {
		return r.Daemon
	}
	return r.Daemon + "@" + host
}

// ClientAddr returns the client's address as tcp_wrappers writes it: an IPv4
// address that came through a dual-stack socket is ::ffff:192.0.2.7, the peer
// of an AF_UNIX socket "localhost", and no address "unknown".
func ClientAddr(r *Request) string { return addrText(r, r.Remote.Addr()) }

// ServerAddr returns the address the client connected to, written likewise.
func ServerAddr(r *Request) string { return addrText(r, r.Local.Addr()) }

// HostName returns the name of the client (Name) or of the server (LocalName),
// "unknown" or "paranoid". It asks for the name if nobody has yet.
func HostName(r *Request, k Kind) string {
	a := r.Get(k, "")
	switch {
	case a.Status == Forged:
		return ParanoidName
	case a.Status != Found || a.Text == "":
		return UnknownName
	}
	return cut(a.Text)
}

// User returns the client's user name or "unknown". It asks for it if nobody
// has yet; a datagram has no connection to ask about.
func User(r *Request) string {
	if r.Datagram {
		return UnknownName
	}
	if a := r.Get(Ident, ""); a.Status == Found && a.Text != "" {
		return cut(a.Text)
	}
	return UnknownName
}

// hostText is the name of a host if it is known already and is one, else the
// address: tcp_wrappers makes no look-up for the sake of a log line.
func hostText(r *Request, k Kind, addr func(*Request) string) string {
	if _, known := r.Known(k, ""); !known {
		return addr(r)
	}
	name := HostName(r, k)
	if strings.EqualFold(name, UnknownName) || strings.EqualFold(name, ParanoidName) {
		return addr(r)
	}
	return name
}

func addrText(r *Request, a netip.Addr) string {
	switch {
	case r.Unix:
		return "localhost"
	case r.Mapped && a.Is4():
		return "::ffff:" + a.String()
	}
	return AddrText(a)
}

// AddrText returns a in the form of inet_ntop(3), which rules match letter by
// letter, or "unknown". It differs from a.String for addresses such as
// ::192.0.2.7, whose last four bytes C writes as IPv4.
func AddrText(a netip.Addr) string {
	if !a.IsValid() {
		return UnknownName
	}
	if b := a.As16(); a.Is6() && [12]byte(b[:12]) == [12]byte{} && (b[12] != 0 || b[13] != 0) {
		text := "::" + netip.AddrFrom4([4]byte(b[12:])).String()
		if a.Zone() != "" {
			text += "%" + a.Zone()
		}
		return text
	}
	return a.String()
}

func cut(name string) string { return name[:min(len(name), maxName)] }
