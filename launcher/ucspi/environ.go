package ucspi

import (
	"fmt"
	"net/netip"
	"strings"

	"doorward/acl"
)

// Environ returns the environment of a child that serves r: base, the
// variables about the connection, and set, which comes from the rules and
// overrides both; of several settings of a name the last one counts.
//
// Whatever base says about a connection is left out, because it was another
// one: a host name or user that is not known is unset, not inherited. Names
// and user are taken from r if they are known; those of want (acl.Name,
// acl.LocalName, acl.Ident) are asked for if they are not. To give a name of
// one's own, as tcpserver -l does, let r learn it first.
//
// A NUL byte in set, an empty name or a = in one is an error: no environment
// can hold it. Base is not changed.
func (s Style) Environ(base []string, r *acl.Request, set []acl.Setenv, want ...acl.Kind) ([]string, error) {
	if err := check(set); err != nil {
		return nil, err
	}
	for _, k := range want {
		r.Get(k, "")
	}
	w := writers.Get().(*writer)
	defer w.release()
	w.set = set
	if s != Silent {
		s.connection(w, r)
	}
	w.settings()
	return w.environ(base, s == Doorward || s == Silent), nil
}

func check(set []acl.Setenv) error {
	for _, e := range set {
		switch {
		case e.Name == "" || strings.ContainsAny(e.Name, "=\x00"):
			return fmt.Errorf("%q: not the name of a variable", e.Name)
		case strings.IndexByte(e.Value, 0) >= 0:
			return fmt.Errorf("%s: %q: a value cannot hold a NUL byte", e.Name, e.Value)
		}
	}
	return nil
}

// connection writes what is known about the connection.
func (s Style) connection(w *writer, r *acl.Request) {
	v6 := r.Remote.Addr().Is6()
	switch {
	case v6 || s == TCPServer6:
		w.add("PROTO", "TCP6")
	case r.Remote.IsValid() || s == TCPEnv:
		w.add("PROTO", "TCP")
	}
	w.twins = v6 || s != TCPEnv
	s.address(w, "LOCAL", r.Local)
	s.address(w, "REMOTE", r.Remote)
	if name, ok := s.host(known(r, acl.LocalName)); ok {
		w.both("LOCALHOST", name)
	}
	if name, ok := s.host(known(r, acl.Name)); ok {
		w.both("REMOTEHOST", name)
	}
	if user, ok := s.user(known(r, acl.Ident)); ok {
		w.both("REMOTEINFO", user)
	}
	if z := zone(r); z != "" {
		w.add("TCP6INTERFACE", z)
	}
}

// address writes the IP and PORT of one side.
func (s Style) address(w *writer, side string, a netip.AddrPort) {
	if !a.IsValid() {
		if s != TCPEnv {
			return
		}
		a = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	}
	ip := a.Addr().WithZone("")
	if w.begin("TCP", side, "IP") {
		w.buf = s.appendIP(w.buf, ip)
		w.finish()
	}
	if w.twins && w.begin("TCP6", side, "IP") {
		w.buf = s.appendIP6(w.buf, ip)
		w.finish()
	}
	if a.Port() != 0 || s == TCPEnv {
		w.port("TCP", side, a.Port())
	}
	if a.Port() != 0 && w.twins {
		w.port("TCP6", side, a.Port())
	}
}

func (s Style) appendIP(b []byte, ip netip.Addr) []byte {
	if ip.Is4() && s != TCPServer6 {
		return ip.AppendTo(b)
	}
	return s.appendIP6(b, ip)
}

func (s Style) appendIP6(b []byte, ip netip.Addr) []byte {
	if s == Doorward && ip.Is6() {
		return ip.AppendTo(b)
	}
	return acl.AppendIP6(b, ip)
}

func zone(r *acl.Request) string {
	if z := r.Remote.Addr().Zone(); z != "" {
		return z
	}
	return r.Local.Addr().Zone()
}

func known(r *acl.Request, k acl.Kind) acl.Answer {
	a, _ := r.Known(k, "")
	if strings.IndexByte(a.Text, 0) >= 0 {
		return acl.Answer{} // no environment can hold it
	}
	return a
}

// host returns a name as the style writes it; false: unset.
func (s Style) host(a acl.Answer) (string, bool) {
	switch {
	case a.Status == acl.Failed && s == TCPEnv:
		return softDNSError, true
	case a.Status != acl.Found:
		return "", false
	case s == Doorward:
		return SafeHost(a.Text)
	}
	return a.Text, true
}

// user returns a user as the style writes it; false: unset.
func (s Style) user(a acl.Answer) (string, bool) {
	switch {
	case a.Status != acl.Found:
		return "", false
	case s == Doorward:
		return SafeUser(a.Text)
	}
	return a.Text, true
}
