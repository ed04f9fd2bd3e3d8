package lookup

import (
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"doorward/launcher/file"
)

// Bounds of resolv.conf(5).
const (
	maxServers  = 3
	maxTimeout  = 30 // seconds
	maxAttempts = 5
	maxNdots    = 15
	maxSearch   = 6
)

// ResolvConf returns the resolver that the file at path describes, as the C
// library does; it is read at each call. A file that is missing or cannot be
// read describes the zero [Resolver].
func ResolvConf(path string) DNS {
	return func() *Resolver { return resolvConf(path, dnsPort) }
}

func resolvConf(path string, port uint16) *Resolver {
	src, err := file.Read(path)
	if err != nil {
		src = nil
	}
	host, _ := os.Hostname()
	return parseResolvConf(string(src), port, host)
}

// parseResolvConf reads nameserver, domain, search and the options timeout,
// attempts and ndots, and passes over everything else, as resolv.conf(5)
// readers do. Host is the name of this machine: without search or domain, its
// domain is searched.
func parseResolvConf(src string, port uint16, host string) *Resolver {
	timeout, attempts := 5, 2
	r := new(Resolver)
	if _, domain, ok := strings.Cut(host, "."); ok && domain != "" {
		r.Search = []string{domain}
	}
	for line := range strings.Lines(src) {
		words := strings.Fields(line)
		if len(words) < 2 || strings.ContainsAny(words[0][:1], "#;") {
			continue
		}
		switch words[0] {
		case "nameserver":
			if a, err := netip.ParseAddr(words[1]); err == nil && len(r.Servers) < maxServers {
				r.Servers = append(r.Servers, netip.AddrPortFrom(a, port))
			}
		case "domain":
			r.Search = domains(words[1:2])
		case "search":
			r.Search = domains(words[1:])
		case "options":
			for _, o := range words[1:] {
				option(o, "timeout:", maxTimeout, &timeout)
				option(o, "attempts:", maxAttempts, &attempts)
				option(o, "ndots:", maxNdots, &r.Ndots)
			}
		}
	}
	if len(r.Servers) == 0 {
		r.Servers = []netip.AddrPort{netip.AddrPortFrom(defaultServers[0].Addr(), port)}
	}
	for range max(attempts, 1) {
		r.Timeouts = append(r.Timeouts, time.Duration(max(timeout, 1))*time.Second)
	}
	return r
}

func domains(words []string) (search []string) {
	for _, w := range words {
		if w = strings.Trim(w, "."); w != "" && len(search) < maxSearch {
			search = append(search, w)
		}
	}
	return search
}

// option reads an option that holds a number; one above the bound is the
// bound.
func option(word, name string, bound int, value *int) {
	digits, ok := strings.CutPrefix(word, name)
	if !ok {
		return
	}
	if n, err := strconv.Atoi(digits); err == nil && n >= 0 {
		*value = min(n, bound)
	}
}

// ucspiTimeouts are the patience of the djb programs: a lost packet is sent
// again soon, a slow server is given time.
var ucspiTimeouts = []time.Duration{3 * time.Second, 11 * time.Second, 45 * time.Second}

// maxCacheServers is how many servers the djb programs take.
const maxCacheServers = 16

// DNSCacheIP returns the resolver of tcpserver and rblsmtpd: the servers in
// $DNSCACHEIP, which holds addresses with dots, blanks or commas between
// them, else those that the file at path names, which also has the domains to search.
// A server is given 3 seconds to answer, then 11, then 45.
func DNSCacheIP(getenv func(string) (string, bool), path string) DNS {
	return func() *Resolver {
		r := resolvConf(path, dnsPort)
		r.Timeouts, r.Ndots = ucspiTimeouts, 0
		list, _ := getenv("DNSCACHEIP")
		if addrs := cacheAddrs(list); len(addrs) > 0 {
			r.Servers = nil
			for _, a := range addrs {
				r.Servers = append(r.Servers, netip.AddrPortFrom(a, dnsPort))
			}
		}
		return r
	}
}

// cacheAddrs reads the value of $DNSCACHEIP up to the first thing that is no
// address. Four addresses may be written as sixteen numbers with dots.
func cacheAddrs(list string) (addrs []netip.Addr) {
	for _, word := range strings.FieldsFunc(list, func(c rune) bool { return c == ' ' || c == ',' || c == '\t' }) {
		if strings.Contains(word, ":") {
			a, err := netip.ParseAddr(strings.Trim(word, "."))
			if err != nil {
				return addrs
			}
			addrs = append(addrs, a)
			continue
		}
		numbers := strings.FieldsFunc(word, func(c rune) bool { return c == '.' })
		for ; len(numbers) > 0; numbers = numbers[min(4, len(numbers)):] {
			a, err := netip.ParseAddr(strings.Join(numbers[:min(4, len(numbers))], "."))
			if err != nil || len(addrs) == maxCacheServers {
				return addrs
			}
			addrs = append(addrs, a)
		}
	}
	return addrs
}
