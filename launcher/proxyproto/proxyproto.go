// Package proxyproto reads the header that a proxy puts before a connection it
// passes on (HAProxy's PROXY protocol, versions 1 and 2): who the client is,
// and where it connected to.
//
// A header is believed, so it must come from a proxy that is known by its
// address, and there it must be there: to guess whether one is, is to let
// anybody say who they are. Whether to ask for one is up to the caller; nothing
// in here does I/O. What is read is bounded, by 107 bytes for version 1 and by
// [MaxV2] for version 2, and anything that is not exactly what the
// specification has is an error.
package proxyproto

import (
	"bytes"
	"errors"
	"net/netip"
)

// A Header is who connected to what, by the word of the proxy. The addresses
// are invalid where it does not say (UNKNOWN in version 1, LOCAL in version 2,
// and clients without an IP address): then they are those of the connection.
// IPv4 is IPv4, whichever way it was written.
type Header struct {
	Remote, Local netip.AddrPort
}

// Why there is no header.
var (
	ErrShort   = errors.New("PROXY header: not all of it is there") // more bytes may make it one
	ErrMissing = errors.New("no PROXY header")
	ErrLong    = errors.New("PROXY header: too long")
	ErrSyntax  = errors.New("PROXY header: bad syntax")
	ErrSum     = errors.New("PROXY header: bad checksum")
)

// Parse reads the header that b begins with, of either version, and returns
// how many bytes it has. ErrShort asks for more of them; every other error is
// final.
func Parse(b []byte) (h Header, n int, err error) {
	if len(b) > 0 && b[0] == signature[0] {
		return ParseV2(b)
	}
	return ParseV1(b)
}

// begins reports whether b is, or may become, something that begins with
// start.
func begins(b []byte, start string) bool {
	n := min(len(b), len(start))
	return bytes.Equal(b[:n], []byte(start[:n]))
}
