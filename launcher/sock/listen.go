package sock

import (
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// A Family says which clients a socket without an address of its own is for.
type Family uint8

const (
	Any  Family = iota // IPv4 and IPv6, through one dual-stack socket; IPv4 alone where the kernel has no IPv6
	IPv4               // 0.0.0.0
	IPv6               // ::, and no IPv4 clients
)

// A Config says where to listen. The zero Config is a TCP socket on any
// address and a port of the kernel's choice.
type Config struct {
	Addr     netip.AddrPort // the address; an invalid one means every address of Family
	Port     uint16         // the port where Addr is invalid; 0: the kernel's choice
	Family   Family         // also decides whether a socket on :: takes IPv4 clients
	Backlog  int            // clients that wait in the kernel; 0 means 4096, the kernel cuts it to net.core.somaxconn
	Datagram bool           // UDP instead of TCP
	Name     string         // for messages; "" means the address
}

// Listen opens a socket for clients, with SO_REUSEADDR so that a restart does
// not wait for old connections to be forgotten. The error is an
// *os.SyscallError: EADDRINUSE, EACCES for a port below 1024, EADDRNOTAVAIL.
func Listen(c Config) (*Listener, error) {
	ap := c.address()
	l, err := listen(c, ap)
	if !c.Addr.IsValid() && c.Family == Any && ap.Addr().Is6() && noIPv6(err) {
		ap = netip.AddrPortFrom(netip.IPv4Unspecified(), c.Port)
		l, err = listen(c, ap)
	}
	if err != nil {
		return nil, err
	}
	if l.name == "" {
		l.name = l.addr.String()
	}
	return l, nil
}

func (c Config) address() netip.AddrPort {
	switch {
	case c.Addr.IsValid():
		return netip.AddrPortFrom(c.Addr.Addr().Unmap(), c.Addr.Port())
	case c.Family == IPv4:
		return netip.AddrPortFrom(netip.IPv4Unspecified(), c.Port)
	}
	return netip.AddrPortFrom(netip.IPv6Unspecified(), c.Port)
}

// noIPv6 reports whether err says that the machine has IPv6 compiled out
// (EAFNOSUPPORT) or turned off (EADDRNOTAVAIL).
func noIPv6(err error) bool {
	e, ok := err.(*os.SyscallError)
	return ok && (e.Err == unix.EAFNOSUPPORT || e.Err == unix.EADDRNOTAVAIL)
}

func listen(c Config, ap netip.AddrPort) (*Listener, error) {
	domain, kind := unix.AF_INET6, unix.SOCK_STREAM
	if ap.Addr().Is4() {
		domain = unix.AF_INET
	}
	if c.Datagram {
		kind = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := open(fd, c, ap); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return Adopt(fd, c.Name)
}

// open binds fd and makes it listen.
func open(fd int, c Config, ap netip.AddrPort) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil && !c.Datagram {
		return os.NewSyscallError("setsockopt", err)
	}
	if ap.Addr().Is6() {
		only := 0
		if c.Family == IPv6 {
			only = 1
		}
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	sa, err := sockaddr(ap)
	if err != nil {
		return os.NewSyscallError("ioctl", err)
	}
	if err := unix.Bind(fd, sa); err != nil {
		return os.NewSyscallError("bind", err)
	}
	if c.Datagram {
		return nil
	}
	backlog := c.Backlog
	if backlog == 0 {
		backlog = 4096
	}
	return os.NewSyscallError("listen", unix.Listen(fd, backlog))
}
