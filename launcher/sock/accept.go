package sock

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A taking is one call of Accept, with room for all that this takes: nothing
// is allocated for a client.
type taking struct {
	sockaddr unix.RawSockaddrAny
	len      uint32
	conn     Conn
	err      error

	once func(s uintptr)      // is take, for RawConn.Control
	want func(s uintptr) bool // is take, for RawConn.Read: wait if there is nobody
}

var takings = sync.Pool{New: func() any {
	t := new(taking)
	t.once = t.take
	t.want = func(s uintptr) bool { t.take(s); return t.err != unix.EAGAIN }
	return t
}}

func (l *Listener) accept() (Conn, error) {
	t := takings.Get().(*taking)
	defer takings.Put(t)
	// Whoever waits in Read has it to himself. Those who come for a client
	// that is there need not stand behind him.
	waited := l.raw.Control(t.once)
	if waited == nil && t.err == unix.EAGAIN {
		waited = l.raw.Read(t.want)
	}
	if waited != nil {
		return Conn{}, ended(waited)
	}
	return t.conn, t.err
}

// take takes a client from a listening socket, with the addresses of both
// ends. Package unix has the same system calls, but asks the kernel two more
// questions and allocates six times to make sockaddrs of the answers.
func (t *taking) take(s uintptr) {
	t.conn, t.err = Conn{}, nil
	t.len = unix.SizeofSockaddrAny
	fd, _, errno := unix.Syscall6(unix.SYS_ACCEPT4, s, uintptr(unsafe.Pointer(&t.sockaddr)), uintptr(unsafe.Pointer(&t.len)), unix.SOCK_CLOEXEC, 0, 0)
	if errno != 0 {
		t.err = errno
		return
	}
	t.conn = Conn{FD: int(fd), Unix: t.sockaddr.Addr.Family == unix.AF_UNIX}
	t.conn.Remote, t.conn.Mapped = t.address()
	t.len = unix.SizeofSockaddrAny
	if _, _, errno := unix.Syscall(unix.SYS_GETSOCKNAME, fd, uintptr(unsafe.Pointer(&t.sockaddr)), uintptr(unsafe.Pointer(&t.len))); errno != 0 {
		t.conn.Close()
		t.conn, t.err = Conn{}, errno
		return
	}
	t.conn.Local, _ = t.address()
}

// address is unmap for what the kernel wrote.
func (t *taking) address() (ap netip.AddrPort, mapped bool) {
	switch t.sockaddr.Addr.Family {
	case unix.AF_INET:
		sa := (*unix.RawSockaddrInet4)(unsafe.Pointer(&t.sockaddr))
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), port(&sa.Port)), false
	case unix.AF_INET6:
		sa := (*unix.RawSockaddrInet6)(unsafe.Pointer(&t.sockaddr))
		return unmap6(sa.Addr, sa.Scope_id, port(&sa.Port))
	}
	return netip.AddrPort{}, false
}

// port reads a port as it is in a sockaddr: in the order of the network.
func port(p *uint16) uint16 { return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(p))[:]) }
