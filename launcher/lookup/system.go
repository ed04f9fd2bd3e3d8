package lookup

import (
	"context"
	"errors"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"

	"doorward/launcher/file"
)

// A System is where the C library of this machine looks names up: in the
// files below /etc and in DNS, in the order that nsswitch.conf gives. The
// zero System is the real one; a test names files of its own. All are read at
// each question, so that changes count at once.
type System struct {
	ResolvConf string // empty: /etc/resolv.conf
	Hosts      string // empty: /etc/hosts
	Nsswitch   string // empty: /etc/nsswitch.conf
	HostConf   string // empty: /etc/host.conf
	Netgroup   string // empty: /etc/netgroup
	Port       uint16 // of the DNS servers; 0: 53
}

// A source is a word of nsswitch.conf(5) that means something here.
type source string

const (
	files source = "files"
	dns   source = "dns"
)

func read(path, otherwise string) string {
	if path == "" {
		path = otherwise
	}
	src, _ := file.Read(path) // one that cannot be read says nothing
	return string(src)
}

func (s System) hosts() string { return read(s.Hosts, "/etc/hosts") }

func (s System) resolver() *Resolver {
	path, port := s.ResolvConf, s.Port
	if path == "" {
		path = "/etc/resolv.conf"
	}
	if port == 0 {
		port = dnsPort
	}
	return resolvConf(path, port)
}

// order returns where hosts are looked up.
func (s System) order() []source {
	return parseOrder(read(s.Nsswitch, "/etc/nsswitch.conf"))
}

// parseOrder reads the hosts line of nsswitch.conf(5). Sources other than
// files and dns (mdns, resolve, myhostname ...) are passed over. An action
// that ends the search when the source before it has nothing is obeyed.
// Without such a line the order is files, then dns.
func parseOrder(src string) []source {
	for line := range strings.Lines(src) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 || words[0] != "hosts:" {
			continue
		}
		var order []source
		last := "" // the source an action speaks of
		for _, w := range words[1:] {
			if strings.EqualFold(w, "[NOTFOUND=return]") && (last == "files" || last == "dns") {
				break
			}
			if last = w; w == "files" || w == "dns" {
				order = append(order, source(w))
			}
		}
		return order
	}
	return []source{files, dns}
}

// multi reports whether all lines of /etc/hosts count for a name rather than
// the first (host.conf(5)).
func (s System) multi() bool {
	multi := false
	for line := range strings.Lines(read(s.HostConf, "/etc/host.conf")) {
		line, _, _ = strings.Cut(line, "#")
		if w := strings.Fields(line); len(w) >= 2 && w[0] == "multi" {
			multi = strings.EqualFold(w[1], "on")
		}
	}
	return multi
}

var errBadName = errors.New("not a host name")

// nameOf returns the first name of an address, as getnameinfo(3) does.
func (s System) nameOf(ctx context.Context, a netip.Addr) (string, error) {
	err := error(ErrAbsent)
	for _, src := range s.order() {
		var name string
		if src == files {
			name, err = hostOf(s.hosts(), a)
		} else {
			name, err = firstPTR(ctx, s.resolver(), a)
			if err == nil && !hostName(name) {
				err = errBadName
			}
		}
		if err == nil {
			return name, nil
		}
	}
	return "", err
}

// firstPTR returns the first name that DNS has for an address.
func firstPTR(ctx context.Context, r *Resolver, a netip.Addr) (string, error) {
	rec, err := r.Lookup(ctx, ReverseName(a), dnsmessage.TypePTR)
	if err != nil {
		return "", err
	}
	return rec.Names[0], nil
}

// addrsOf returns the canonical name and the addresses of a host in one
// family, as getaddrinfo(3) with AI_CANONNAME does.
func (s System) addrsOf(ctx context.Context, name string, v4 bool) (canonical string, addrs []netip.Addr, err error) {
	err = ErrAbsent
	for _, src := range s.order() {
		if src == files {
			canonical, addrs, err = addrsIn(s.hosts(), name, v4, s.multi())
		} else {
			canonical, addrs, err = addrsFrom(ctx, s.resolver(), name, v4)
		}
		if err == nil {
			return canonical, addrs, nil
		}
	}
	return "", nil, err
}

// addrsFrom asks DNS, through the search list.
func addrsFrom(ctx context.Context, r *Resolver, name string, v4 bool) (string, []netip.Addr, error) {
	typ := dnsmessage.TypeAAAA
	if v4 {
		typ = dnsmessage.TypeA
	}
	err := error(ErrAbsent)
	for full := range r.Candidates(name) {
		var rec Records
		rec, err = r.Lookup(ctx, full, typ)
		if err == nil && !hostName(rec.Name) {
			return "", nil, errBadName
		}
		if err == nil || !errors.Is(err, ErrAbsent) {
			return rec.Name, rec.Addrs, err
		}
	}
	return "", nil, err
}

// hostName reports whether the C library takes name for the name of a host:
// letters, digits, hyphen and underscore in its labels, no hyphen in front.
func hostName(name string) bool {
	if name == "" || name[0] == '-' {
		return false
	}
	for _, c := range []byte(name) {
		if !('a' <= lower(c) && lower(c) <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return true
}
