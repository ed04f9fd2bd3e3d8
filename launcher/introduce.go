package launcher

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"doorward/launcher/proxyproto"
	"doorward/launcher/sock"
)

// headerTime is how long a proxy may take to say who its client is. It knows
// that when it connects.
const headerTime = 5 * time.Second

var errNoProxy = errors.New("not one of the proxies of this service")

// introduce finds out who the client behind a proxy is: c gets the addresses
// of the PROXY header, which is read to its last byte and not beyond. Nobody
// but a proxy gets so far, and nobody gets on without a header.
func (s *Server) introduce(svc *Service, c *sock.Conn, line *session) error {
	if !svc.Proxies.Contains(c.Remote.Addr()) {
		return errNoProxy
	}
	var h proxyproto.Header
	var size int
	err := sock.Peek(c.FD, proxyproto.MaxV2, line.Event.Time.Add(headerTime), func(b []byte) (done bool, err error) {
		h, size, err = proxyproto.Parse(b)
		if err == proxyproto.ErrShort {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		return fmt.Errorf("proxy: %w", err)
	}
	client := *c
	if h.Remote.IsValid() {
		client.Remote, client.Local, client.Mapped = h.Remote, h.Local, false
	}
	s.ledger.begin(line) // from here on the header is gone
	err = sock.Skip(c.FD, size)
	s.ledger.done(line, func(v *Session) {
		v.Conn, v.Introduced = &client, true
		v.Event.Remote, v.Event.Local = client.Remote, client.Local
	})
	if err != nil {
		return fmt.Errorf("proxy: %w", err)
	}
	*c = client
	if err := line.Port.Gate.name(line.who, c.Remote.Addr(), line.Event.Time); err != nil {
		return err
	}
	line.who = c.Remote.Addr()
	return nil
}

// nobody is whom a place is counted for until a proxy has said for whom it is.
var nobody netip.Addr

// source is whom the place of a new connection is counted for.
func (s *Service) source(c sock.Conn) netip.Addr {
	if s.Proxies != nil {
		return nobody
	}
	return c.Remote.Addr()
}

// name has a place that was taken for somebody count for a, or returns the
// error of Enter; then it stays as it is.
func (g *Gate) name(from, a netip.Addr, now time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.admits(a, now); err != nil {
		return err
	}
	g.uncount(from)
	g.count(a)
	return nil
}

// unblock undoes what a predecessor that was waiting for a header has done to
// the connection.
func unblock(c *sock.Conn) {
	if c != nil {
		unix.SetNonblock(c.FD, false)
	}
}
