//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A loopback is the only network of the box. Every address of a case is
// given to it.
type loopback struct {
	netlink int
	has     map[netip.Addr]bool
}

// newLoopback brings the interface up, which also gives it 127.0.0.1 and ::1.
func newLoopback() (*loopback, error) {
	for _, name := range []string{"all", "default", "lo"} {
		// A machine without IPv6 has no such file; its cases then fail by name.
		_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("0"), 0)
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("netlink: %v", err)
	}
	l := &loopback{netlink: fd, has: map[netip.Addr]bool{
		netip.MustParseAddr("127.0.0.1"): true,
		netip.IPv6Loopback():             true,
	}}
	link := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(link[4:], 1) // the index of lo
	binary.NativeEndian.PutUint32(link[8:], unix.IFF_UP)
	binary.NativeEndian.PutUint32(link[12:], unix.IFF_UP)
	return l, l.ask(unix.RTM_NEWLINK, 0, link)
}

// add gives the interface the address a.
func (l *loopback) add(a string) error {
	addr, err := netip.ParseAddr(a)
	if err != nil {
		return err
	}
	if l.has[addr] || addr.Is4() && addr.IsLoopback() {
		return nil
	}
	l.has[addr] = true
	family := byte(unix.AF_INET6)
	if addr.Is4() {
		family = unix.AF_INET
	}
	m := []byte{family, byte(addr.BitLen()), unix.IFA_F_NODAD, unix.RT_SCOPE_UNIVERSE, 1, 0, 0, 0}
	binary.NativeEndian.PutUint32(m[4:], 1)
	for _, kind := range []uint16{unix.IFA_LOCAL, unix.IFA_ADDRESS} {
		m = binary.NativeEndian.AppendUint16(m, uint16(4+len(addr.AsSlice())))
		m = binary.NativeEndian.AppendUint16(m, kind)
		m = append(m, addr.AsSlice()...)
	}
	if err := l.ask(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, m); err != nil {
		return fmt.Errorf("address %v: %v", addr, err)
	}
	return nil
}

// addBoth gives the interface both addresses, and waits until they reach each
// other.
func (l *loopback) addBoth(a, b string) error {
	if err := errors.Join(l.add(a), l.add(b)); err != nil {
		return err
	}
	return errors.Join(l.await(a, b), l.await(b, a))
}

// await waits until a connection from one address to the other gets as far as
// to be refused: the kernel takes packets for a new IPv6 address some time
// after it has acknowledged it.
func (l *loopback) await(from, to string) error {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: time.Second}
	var err error
	for range 500 {
		var c net.Conn
		if c, err = d.Dial("tcp", net.JoinHostPort(to, "9")); err == nil {
			return c.Close()
		}
		if errors.Is(err, unix.ECONNREFUSED) {
			return nil
		}
		time.Sleep(2 * time.Millisecond)
	}
	return err
}

// ask sends one request to the kernel and waits for its acknowledgement
// (netlink(7)).
func (l *loopback) ask(kind, flags uint16, body []byte) error {
	m := make([]byte, unix.SizeofNlMsghdr, unix.SizeofNlMsghdr+len(body))
	binary.NativeEndian.PutUint32(m[0:], uint32(unix.SizeofNlMsghdr+len(body)))
	binary.NativeEndian.PutUint16(m[4:], kind)
	binary.NativeEndian.PutUint16(m[6:], flags|unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	if err := unix.Sendto(l.netlink, append(m, body...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	reply := make([]byte, 4096)
	n, _, err := unix.Recvfrom(l.netlink, reply, 0)
	if err != nil {
		return err
	}
	if n < unix.SizeofNlMsghdr+4 {
		return fmt.Errorf("netlink: short answer of %d bytes", n)
	}
	if errno := -int32(binary.NativeEndian.Uint32(reply[unix.SizeofNlMsghdr:])); errno != 0 {
		return unix.Errno(errno)
	}
	return nil
}
