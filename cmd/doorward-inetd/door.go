package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"doorward/acl"
	"doorward/cmd/internal/xinetdhost"
	"doorward/launcher/banner"
	"doorward/launcher/dnslist"
	"doorward/launcher/lookup"
	"doorward/launcher/proxyproto"
	"doorward/launcher/reject"
	"doorward/launcher/rules/book"
	"doorward/launcher/run"
	"doorward/launcher/sock"
	"doorward/launcher/when"
	"doorward/launcher/xinetd"
)

// How long things may take: as in doorward serve.
const (
	factTime    = 30 * time.Second
	headerTime  = 5 * time.Second
	refusalTime = time.Minute
	commandTime = 5 * time.Minute
	bannerTime  = 10 * time.Second // for each
)

// A door is one service and one client.
type door struct {
	name                  string
	hostsAllow, hostsDeny string

	service *xinetd.Service
	request *acl.Request
	program run.Program
}

// open lets the client in and does not return, or keeps it out. The error is
// not the client's.
func (d *door) open(config string) (err error) {
	if err := connection(); err != nil {
		return err
	}
	if d.service, err = find(config, d.name); err != nil {
		return err
	}
	b := book.Book{HostsAllow: d.hostsAllow, HostsDeny: d.hostsDeny, Warn: func(err error) { d.note("warning: " + err.Error()) }}
	policy, err := b.Policy(d.service.Rules...)
	if err != nil {
		return err
	}
	if d.program, err = xinetdhost.Program(d.service); err != nil {
		return err
	}
	r, err := sock.FromFD(0, d.service.Daemon)
	if err != nil {
		return err
	}
	r.PID, d.request = os.Getpid(), r
	if err := when.Open(xinetdhost.Conditions(d.service), time.Now()); err != nil {
		d.turnAway(err)
		return nil
	}
	if len(d.service.ProxyProtocol) > 0 {
		if err := d.introduce(); err != nil {
			d.note("refused: " + err.Error())
			return nil
		}
	}
	d.banner(d.service.Banner, bannerTime)
	ctx, cancel := d.patience()
	defer cancel()
	finders := lookup.Wrappers{Warn: d.note}.Finders()
	policy = acl.All{d.service.Access, xinetdhost.OnlyKnown(d.service), policy, d.lists(finders)}
	finders.Attach(ctx, r, factTime)
	return d.decide(policy)
}

// turnAway sends a client away with what the socket takes of the banners at
// once, or resets the connection.
func (d *door) turnAway(reason error) {
	d.note("refused: " + reason.Error())
	if d.service.Banner+d.service.BannerFail == "" {
		unix.SetsockoptLinger(0, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	d.banner(d.service.Banner, 0)
	d.banner(d.service.BannerFail, 0)
}

// banner sends a file to the client, who has so long to take it.
func (d *door) banner(file string, limit time.Duration) {
	if file == "" {
		return
	}
	text, err := banner.Read(file, d.program.Cred)
	if err != nil {
		d.note("banner " + file + " not sent: " + err.Error())
		return
	}
	run.Send(0, text, time.Now().Add(limit))
}

// lists is the policy of the DNS lists, which are asked through finders. With
// the process goes what it has learnt about them: a list that lists the client
// is examined each time before it counts.
func (d *door) lists(finders lookup.Finders) acl.Policy {
	lists := d.service.DNSLists.Policy()
	if lists == nil {
		return acl.All{}
	}
	e := dnslist.New(dnslist.Config{
		Lookup: dnslist.Stub(xinetdhost.ListServers(&d.service.DNSLists), xinetdhost.ListTime),
		Log:    func(n acl.Note) { say("dns lists: " + n.String()) },
	})
	finders[acl.Listed] = e.Finder(lists)
	return xinetdhost.UnlessTrusted(func(a netip.Addr) bool { return contains(d.service.RelayFrom, a) }, lists)
}

// connection puts the connection on 0 and 1: inetd and StandardInput=socket
// have it on 0, other services of systemd on 3.
func connection() error {
	from := 0
	if os.Getenv("LISTEN_PID") == strconv.Itoa(os.Getpid()) {
		if n := os.Getenv("LISTEN_FDS"); n != "1" {
			return fmt.Errorf("LISTEN_FDS=%s: want one connection", n)
		}
		from = 3
	}
	if _, err := unix.Getpeername(from); err != nil {
		return fmt.Errorf("descriptor %d is not a connection (a socket unit says Accept=yes): %w", from, err)
	}
	if err := unix.SetNonblock(from, false); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	for _, to := range []int{0, 1} {
		if from == to {
			continue
		}
		if err := unix.Dup3(from, to, 0); err != nil {
			return os.NewSyscallError("dup3", err)
		}
	}
	return nil
}

// introduce takes the client from a PROXY header.
func (d *door) introduce() error {
	r := d.request
	if !contains(d.service.ProxyProtocol, r.Remote.Addr()) {
		return errors.New("not one of the proxies of this service")
	}
	var h proxyproto.Header
	var size int
	err := sock.Peek(0, proxyproto.MaxV2, time.Now().Add(headerTime), func(b []byte) (done bool, err error) {
		h, size, err = proxyproto.Parse(b)
		if err == proxyproto.ErrShort {
			return false, nil
		}
		return err == nil, err
	})
	if err == nil {
		err = sock.Skip(0, size)
	}
	if err == nil && h.Remote.IsValid() {
		r.Remote, r.Local, r.Mapped = h.Remote, h.Local, false
	}
	return err
}

func contains(networks []netip.Prefix, a netip.Addr) bool {
	for _, p := range networks {
		if p.Contains(a.WithZone("")) {
			return true
		}
	}
	return false
}

// patience returns the context in which facts are found out.
func (d *door) patience() (context.Context, context.CancelFunc) {
	if t := d.service.DecideTimeout; t > 0 {
		return context.WithTimeout(context.Background(), t)
	}
	return context.WithCancel(context.Background())
}

// decide asks the policy, and does what it says.
func (d *door) decide(policy acl.Policy) error {
	r, s := d.request, d.service
	decision := policy.Decide(r)
	for _, n := range decision.Notes {
		d.note(n.String())
	}
	h := run.Handover{Program: d.program, Daemon: s.Daemon, Env: xinetdhost.Environ(s), Limit: commandTime}
	h.Expand = func(line string) (string, error) { return acl.Expand(r, line) }
	err := h.Apply(decision)
	for _, w := range h.Warnings {
		d.note(w.Error())
	}
	switch {
	case err != nil:
		d.note(fmt.Sprintf("denied by %v: %v", decision.Rule, err))
		d.banner(s.BannerFail, bannerTime)
		return nil
	case decision.Verdict == acl.Deny && !h.Twisted:
		d.note("denied by " + decision.Rule.String())
		if decision.Reply.Text == "" {
			d.banner(s.BannerFail, bannerTime)
			return nil
		}
		return refuse(decision.Reply)
	}
	d.banner(s.BannerSuccess, bannerTime)
	env, err := xinetdhost.Style(s).Environ(h.Env, r, d.settings(decision), s.Lookup...)
	if err != nil {
		return err
	}
	d.note("allowed by " + decision.Rule.String() + without(uncounted(s)))
	d.tune()
	return h.Program.Exec(env)
}

// without says that limits have no effect.
func without(limits []string) string {
	if len(limits) == 0 {
		return ""
	}
	return ", without effect here: " + strings.Join(limits, ", ")
}

// settings returns what the rules and relay_from add to the environment.
func (d *door) settings(decision acl.Decision) []acl.Setenv {
	a := d.request.Remote.Addr()
	set := []acl.Setenv{{Name: "REMOTE_HOST", Value: a.String()}}
	if contains(d.service.RelayFrom, a) {
		set = append(set, acl.Setenv{Name: "RELAYCLIENT", Value: d.service.RelayClient})
	}
	return append(set, decision.Env...) // the last setting of a name counts: a rule knows better
}

// tune sets socket options. A client that has gone has none to set.
func (d *door) tune() {
	if d.service.Flags&xinetd.NoDelay != 0 {
		unix.SetsockoptInt(0, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if d.service.Flags&xinetd.KeepAlive != 0 {
		unix.SetsockoptInt(0, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	}
}

// refuse tells a client in SMTP that it is kept out.
func refuse(reply acl.Reply) error {
	f, err := reject.Descriptor(0)
	if err != nil {
		return err
	}
	reject.SMTP(f, reply, reject.Options{Timeout: refusalTime}) // an error is the client's
	return nil
}

// note writes a line about the client.
func (d *door) note(text string) { say(d.name + ": " + d.request.Remote.String() + " " + text) }
