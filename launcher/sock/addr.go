package sock

import (
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

// unmap returns sa as rules want to see it: IPv4 is IPv4, whichever socket it
// came through, and a link-local address names its interface, as libwrap
// writes it (fe80::1%eth0). An address that is neither IPv4 nor IPv6 is
// invalid.
func unmap(sa unix.Sockaddr) (ap netip.AddrPort, mapped bool) {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)), false
	case *unix.SockaddrInet6:
		return unmap6(sa.Addr, sa.ZoneId, uint16(sa.Port))
	}
	return netip.AddrPort{}, false
}

// unmap6 is unmap for what may be IPv4 in IPv6.
func unmap6(addr [16]byte, zone uint32, port uint16) (ap netip.AddrPort, mapped bool) {
	a := netip.AddrFrom16(addr)
	if a.Is4In6() {
		return netip.AddrPortFrom(a.Unmap(), port), true
	}
	if zone != 0 {
		a = a.WithZone(interfaceName(zone))
	}
	return netip.AddrPortFrom(a, port), false
}

// sockaddr is the way back, for bind(2).
func sockaddr(ap netip.AddrPort) (unix.Sockaddr, error) {
	a := ap.Addr()
	if a.Is4() {
		return &unix.SockaddrInet4{Port: int(ap.Port()), Addr: a.As4()}, nil
	}
	sa := &unix.SockaddrInet6{Port: int(ap.Port()), Addr: a.As16()}
	if a.Zone() == "" {
		return sa, nil
	}
	index, err := interfaceIndex(a.Zone())
	sa.ZoneId = index
	return sa, err
}

// interfaceName returns the name of the interface with that index, as
// if_indextoname(3) does, or the index in digits if it has gone.
func interfaceName(index uint32) string {
	ifr, _ := unix.NewIfreq("")
	ifr.SetUint32(index)
	if err := onSocket(func(fd int) error { return unix.IoctlIfreq(fd, unix.SIOCGIFNAME, ifr) }); err != nil {
		return strconv.FormatUint(uint64(index), 10)
	}
	return ifr.Name()
}

// interfaceIndex takes a name or, as RFC 4007 (section 11.2) allows, digits.
func interfaceIndex(name string) (uint32, error) {
	if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		return uint32(n), nil
	}
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return 0, err
	}
	err = onSocket(func(fd int) error { return unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, ifr) })
	return ifr.Uint32(), err
}

// onSocket calls f with a socket, which ioctls about interfaces need, no
// matter which.
func onSocket(f func(fd int) error) error {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err == unix.EAFNOSUPPORT {
		fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return f(fd)
}
