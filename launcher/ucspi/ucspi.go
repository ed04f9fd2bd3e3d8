// Package ucspi speaks the environment of tcp-environ(5): the UNIX
// Client-Server Program Interface, by which a program that accepts
// connections tells the program it starts who the client is.
//
//	PROTO                          TCP, or TCP6
//	TCPREMOTEIP    TCPREMOTEPORT   the client's address
//	TCPREMOTEHOST                  its name, if known
//	TCPREMOTEINFO                  its user, if known (RFC 1413)
//	TCPLOCALIP     TCPLOCALPORT    the address it connected to
//	TCPLOCALHOST                   the name of that, if known
//
// ucspi-tcp-ipv6 sets a twin of each under TCP6, whose addresses are always
// in IPv6 form, and TCP6INTERFACE for an address that means something on one
// interface only.
//
// [Style.Environ] writes these for a child, [Request] reads them back in the
// child. The two sides of a pipe of programs (tcpserver, rblsmtpd, a daemon)
// thus agree about who the client is without asking again.
//
// The package finds nothing out: names and users come from the request, where
// launcher/lookup puts them. What a client has chosen of them is made safe
// here ([SafeHost], [SafeUser]) unless an original's style is asked for.
package ucspi

// A Style says how the variables are written, that is, whose daemons are to
// understand them. The zero Style is doorward's own.
type Style uint8

const (
	// Doorward sets PROTO, TCP* and the TCP6* twins, IPv6 addresses in the
	// form of RFC 5952, and only host and user names that are nothing but
	// such: a daemon may write them into a header. It drops RELAYCLIENT from
	// what is inherited, so that only a rule can set it.
	Doorward Style = iota

	// TCPEnv is tcp-env(1) of notqmail: no twins for IPv4, softdnserror for a
	// name that could not be looked up just now, 0.0.0.0 for the address of a
	// client that has none. IPv6, which that program does not know, is
	// written as TCPServer writes it.
	TCPEnv

	// TCPServer is tcpserver(1) of ucspi-tcp-ipv6: PROTO, TCP* and the twins.
	TCPServer

	// TCPServer6 is tcpserver -6: PROTO is TCP6 and TCP*IP are in IPv6 form
	// for IPv4 as well.
	TCPServer6

	// Silent is Doorward without a word about the connection, for programs
	// that find out about it themselves unless somebody else has.
	Silent
)

// softDNSError is what tcp-env(1) puts in place of a name that a temporary
// failure kept it from finding out.
const softDNSError = "softdnserror"
