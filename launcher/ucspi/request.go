package ucspi

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"

	"doorward/acl"
)

// Request reads the connection back from the environment of a program that
// was started for it. Getenv is os.LookupEnv or the like.
//
// Names and user are known to the request as far as they are set, and Unknown
// otherwise: the program before this one has asked already. An address that
// is not set is unknown and no error; TCP6REMOTEIP stands in for TCPREMOTEIP
// and TCP6LOCALIP for TCPLOCALIP. One that is set and cannot be understood is
// an error, and the request has everything else.
func Request(getenv func(string) (string, bool), daemon string) (*acl.Request, error) {
	r := &acl.Request{Daemon: daemon}
	var err1, err2 error
	r.Remote, r.Mapped, err1 = address(getenv, "REMOTE")
	r.Local, _, err2 = address(getenv, "LOCAL")
	learn(r, acl.Name, getenv, "REMOTEHOST")
	learn(r, acl.LocalName, getenv, "LOCALHOST")
	learn(r, acl.Ident, getenv, "REMOTEINFO")
	return r, errors.Join(err1, err2)
}

// address reads the address and port of one side.
func address(getenv func(string) (string, bool), side string) (a netip.AddrPort, mapped bool, err error) {
	name, text, ok := either(getenv, side+"IP")
	if !ok {
		return a, false, nil
	}
	ip, err := netip.ParseAddr(text)
	if err != nil {
		return a, false, fmt.Errorf("%s: %q: not an address", name, text)
	}
	mapped = ip.Is4In6() && name == "TCP"+side+"IP"
	ip = ip.Unmap()
	if zone, ok := getenv("TCP6INTERFACE"); ok && ip.IsLinkLocalUnicast() {
		ip = ip.WithZone(zone)
	}
	port, err := readPort(getenv, side+"PORT")
	return netip.AddrPortFrom(ip, port), mapped, err
}

func readPort(getenv func(string) (string, bool), what string) (uint16, error) {
	name, text, ok := either(getenv, what)
	if !ok {
		return 0, nil
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("%s: %q: not a port", name, text)
	}
	return uint16(port), nil
}

// learn tells r what a variable says of a fact.
func learn(r *acl.Request, k acl.Kind, getenv func(string) (string, bool), what string) {
	_, text, ok := either(getenv, what)
	switch {
	case !ok:
		r.Learn(k, "", acl.Answer{})
	case text == softDNSError && k != acl.Ident:
		r.Learn(k, "", acl.Answer{Status: acl.Failed})
	default:
		r.Learn(k, "", acl.Answer{Status: acl.Found, Text: text})
	}
}

// either returns the variable TCP+what, or its twin if that is not set.
func either(getenv func(string) (string, bool), what string) (name, value string, ok bool) {
	for _, family := range []string{"TCP", "TCP6"} {
		if value, ok = getenv(family + what); ok {
			return family + what, value, true
		}
	}
	return "", "", false
}
