package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"doorward/launcher"
	"doorward/launcher/sock"
	"doorward/launcher/xinetd"
)

// A door is a service with its sockets open.
type door struct {
	service *xinetd.Service // as configured
	port    launcher.Port

	own, passed []*sock.Listener // bound here; from the service manager
	cancel      context.CancelFunc
	accepting   sync.WaitGroup
}

// open opens the sockets of a service, or takes those that were passed for it.
// It does not accept yet.
func (s *superserver) open(service *xinetd.Service) (*door, error) {
	d := &door{service: service}
	d.passed = s.passed.Claim(service.ID, service.Port, service.SocketType == "dgram")
	if len(d.passed) > 0 {
		return d, nil
	}
	for _, c := range sockets(service) {
		l, err := s.listen(c)
		if err != nil {
			s.forget(d)
			d.close()
			return nil, fmt.Errorf("%v: %s: cannot listen on %s: %w", service.Pos, service.ID, where(c), err)
		}
		d.own = append(d.own, l)
	}
	return d, nil
}

// sockets says where a service listens.
func sockets(service *xinetd.Service) []sock.Config {
	datagram := service.SocketType == "dgram"
	if len(service.Bind) == 0 {
		return []sock.Config{{Port: service.Port, Family: families[service.Family], Datagram: datagram}}
	}
	var cs []sock.Config
	for _, a := range service.Bind {
		cs = append(cs, sock.Config{Addr: netip.AddrPortFrom(a, service.Port), Family: families[service.Family], Datagram: datagram})
	}
	return cs
}

var families = map[xinetd.Family]sock.Family{
	xinetd.AnyFamily: sock.Any,
	xinetd.IPv4:      sock.IPv4,
	xinetd.IPv6Only:  sock.IPv6,
}

func where(c sock.Config) string {
	if c.Addr.IsValid() {
		return c.Addr.String()
	}
	return fmt.Sprintf("port %d", c.Port)
}

// sameSockets reports whether two definitions of a service listen alike.
func sameSockets(a, b *xinetd.Service) bool {
	return a.ID == b.ID && slices.Equal(sockets(a), sockets(b))
}

// set gives the door another definition of its service. Whoever is in stays.
func (d *door) set(service *xinetd.Service, svc *launcher.Service) {
	d.service = service
	d.port.Set(svc)
	d.port.Gate.Set(launcher.Limits{
		Max:       service.Instances,
		PerSource: service.PerSource,
		PerPrefix: service.PerPrefix,
		Rate:      service.Rate,
		PrefixV4:  service.PrefixV4,
		PrefixV6:  service.PrefixV6,
	})
}

// accept begins to accept. Failed hears of a socket that broke.
func (d *door) accept(s *launcher.Server, failed func(error)) {
	ctx, cancel := context.WithCancel(context.Background())
	d.cancel = cancel
	serve := s.Accept
	if d.service.Wait {
		serve = s.Lend
	}
	for _, l := range slices.Concat(d.own, d.passed) {
		d.accepting.Go(func() {
			if err := serve(ctx, l, &d.port); err != nil {
				failed(fmt.Errorf("%s: %s: %w", d.service.ID, l.Name(), err))
			}
		})
	}
}

// stop stops accepting. Sockets stay open, with clients waiting in them.
func (d *door) stop() {
	if d.cancel != nil {
		d.cancel()
		d.accepting.Wait()
	}
}

// close stops accepting. Sessions go on. Sockets that were passed stay open,
// with clients waiting in them, and are returned.
func (d *door) close() []*sock.Listener {
	d.stop()
	for _, l := range d.own {
		l.Close()
	}
	return d.passed
}
