package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"doorward/launcher/lookup"
	"doorward/launcher/sock"
	"doorward/launcher/xinetd"
)

// socket says where to listen.
func socket(o options) (sock.Config, error) {
	port, err := portNumber(o.port)
	if err != nil {
		return sock.Config{}, err
	}
	c := sock.Config{Port: port, Backlog: max(o.backlog, 1), Name: o.host}
	if o.host == "" || o.host == "0" {
		if o.ipv4 {
			c.Family = sock.IPv4
		}
		return c, nil
	}
	a, err := hostAddress(o)
	if err != nil {
		return sock.Config{}, err
	}
	c.Addr = netip.AddrPortFrom(a, port)
	return c, nil
}

func portNumber(s string) (uint16, error) {
	if n, err := strconv.ParseUint(s, 10, 16); err == nil {
		return uint16(n), nil
	}
	text, _ := os.ReadFile("/etc/services")
	if n, ok := xinetd.ParseServices(string(text))(s, "tcp"); ok {
		return n, nil
	}
	return 0, fmt.Errorf("unable to figure out port number for %s", s)
}

// resolveTime bounds how long the host's own name may take to find.
const resolveTime = time.Minute

// hostAddress returns the address of the host on the command line: as it
// stands, or the first that DNS has.
func hostAddress(o options) (netip.Addr, error) {
	host := o.host
	if a, err := netip.ParseAddr(host); err == nil {
		if o.iface != "" && a.Is6() {
			a = a.WithZone(o.iface)
		}
		return a, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), resolveTime)
	defer cancel()
	r := lookup.DNSCacheIP(os.LookupEnv, "/etc/resolv.conf")()
	types := []dnsmessage.Type{dnsmessage.TypeAAAA, dnsmessage.TypeA}
	if o.ipv4 {
		types = types[1:]
	}
	for name := range r.Candidates(host) {
		for _, typ := range types {
			if rec, err := r.Lookup(ctx, name, typ); err == nil && len(rec.Addrs) > 0 {
				return rec.Addrs[0], nil
			}
		}
	}
	return netip.Addr{}, fmt.Errorf("no IP address for %s", host)
}
