package lookup

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"

	"doorward/acl"
)

const (
	identPort = 113
	maxIdent  = 4096 // bytes of a reply that are read; RFC 1413 allows 1000
)

var (
	errNobody   = errors.New("nobody to ask for a user")
	errTooLong  = errors.New("the reply of the ident server is too long")
	errNotIdent = errors.New("the ident server hung up within its reply")
)

// askIdent asks the client's machine whose connection r is (RFC 1413), from
// the address the client connected to, and gives read all it has replied so
// far until read is done. The ports in the query are joined by comma, which
// the originals write in two ways. A nil read waits for no reply.
func askIdent(ctx context.Context, r *acl.Request, port uint16, comma string, read func(reply []byte) (done bool)) error {
	if !r.Remote.IsValid() || !r.Local.IsValid() || r.Remote.Port() == 0 {
		return errNobody
	}
	if port == 0 {
		port = identPort
	}
	var d net.Dialer
	conn, err := d.DialTCP(ctx, "tcp", netip.AddrPortFrom(r.Local.Addr(), 0), netip.AddrPortFrom(r.Remote.Addr(), port))
	if err != nil {
		return err
	}
	defer conn.Close()
	defer bound(ctx, conn)()

	query := strconv.AppendUint(nil, uint64(r.Remote.Port()), 10)
	query = strconv.AppendUint(append(query, comma...), uint64(r.Local.Port()), 10)
	if _, err := conn.Write(append(query, "\r\n"...)); err != nil {
		return err
	}
	if read == nil {
		return nil
	}
	buf, n := make([]byte, maxIdent), 0
	for n < len(buf) {
		m, err := conn.Read(buf[n:])
		if n += m; m > 0 && read(buf[:n]) {
			return nil
		}
		if err != nil {
			return errors.Join(errNotIdent, err)
		}
	}
	return errTooLong
}
