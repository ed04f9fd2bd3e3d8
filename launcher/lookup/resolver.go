package lookup

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// A Resolver asks DNS servers that do the resolving: a stub client. The zero
// Resolver asks 127.0.0.1, as the C library does without a resolv.conf.
//
// What it receives is hostile. A reply counts only if it comes from the
// address and port asked, with the random id sent and the question sent; each
// question goes out from a port of its own. Anything else is dropped, and the
// wait goes on until its time is over. A reply that does not fit (1232 bytes,
// RFC 9715) is fetched again over TCP. Names that point at themselves, chains
// of CNAMEs and lengths that lie end in an error, never in a loop.
//
// A Resolver is not changed by its use, and may be used by several goroutines
// at once.
type Resolver struct {
	Servers []netip.AddrPort // asked in this order, until one answers

	// Timeouts has the time each server is given to answer, round by round:
	// if none of them answers, they are asked again. Nil means twice 5 s.
	Timeouts []time.Duration

	// Search has the domains that a name of fewer than Ndots dots is tried
	// in before it is tried as it stands; other names afterwards. Ndots 0
	// means 1.
	Search []string
	Ndots  int

	Sockets *Sockets // to ask from; nil: each question opens one
}

// DNS returns the resolver to ask now. It is a function, so that a changed
// resolv.conf counts from the next question on.
type DNS func() *Resolver

// ErrAbsent says that a DNS server was asked and there is no such record, or
// no such name.
var ErrAbsent = errors.New("no such record")

// Records are what a name has of the type asked for.
type Records struct {
	Name  string        // whose they are: the name asked for, or where its CNAMEs lead
	Addrs []netip.Addr  // of A or AAAA
	Names []string      // of PTR
	Texts []string      // of TXT; the strings of one record joined
	TTL   time.Duration // how long all this may be kept; of ErrAbsent too (RFC 2308), 0 if the server did not say
}

const (
	defaultTimeout = 5 * time.Second
	dnsPort        = 53
)

var (
	defaultServers  = []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), dnsPort)}
	defaultTimeouts = []time.Duration{defaultTimeout, defaultTimeout}
)

// Lookup asks for the records of a name, which is fully qualified, without a
// final dot, and may hold any bytes. Type is TypeA, TypeAAAA, TypePTR or
// TypeTXT.
//
// The error is [ErrAbsent] if there are none. Any other error is temporary:
// no server has answered, or all that did reported a failure. Names in
// Records hold any bytes but a dot within a label.
func (r *Resolver) Lookup(ctx context.Context, name string, typ dnsmessage.Type) (Records, error) {
	q, err := newQuestion(name, typ)
	if err != nil {
		return Records{}, fmt.Errorf("%q: %w", name, err)
	}
	return r.lookup(ctx, &q, nil)
}

// Ask is Lookup for whoever has better to do than wait: it calls done, once,
// with what Lookup would return, after limit at the latest. Done is called by
// another goroutine, which hears other answers too: it must not block.
func (r *Resolver) Ask(limit time.Duration, name string, typ dnsmessage.Type, done func(Records, error)) {
	q, err := newQuestion(name, typ)
	if err != nil {
		go done(Records{}, fmt.Errorf("%q: %w", name, err))
		return
	}
	start := time.Now()
	end := start.Add(limit)
	goOn := func(heard *reply) {
		ctx, cancel := context.WithDeadline(context.Background(), end)
		defer cancel()
		done(r.lookup(ctx, &q, heard))
	}
	c := &call{question: q, end: start.Add(min(limit, r.timeouts()[0]))}
	c.done = func(rec Records, err error) {
		if err == nil || err == ErrAbsent {
			done(rec, err)
			return
		}
		go goOn(&reply{rec, err}) // TCP, the next server, another round
	}
	r.Sockets.ask(r.servers()[0], c)
}

func (r *Resolver) servers() []netip.AddrPort {
	if len(r.Servers) == 0 {
		return defaultServers
	}
	return r.Servers
}

func (r *Resolver) timeouts() []time.Duration {
	if len(r.Timeouts) == 0 {
		return defaultTimeouts
	}
	return r.Timeouts
}

// lookup asks the servers, round by round. A server that reports a failure has
// answered: it is not asked again, as it would say the same. If heard is not
// nil, it is what the first has already said.
func (r *Resolver) lookup(ctx context.Context, q *question, heard *reply) (rec Records, err error) {
	servers := r.servers()
	failed := make([]bool, len(servers))
	for _, timeout := range r.timeouts() {
		silent := false
		for i, server := range servers {
			if failed[i] {
				continue
			}
			if ctx.Err() != nil && heard == nil {
				return Records{}, q.explain(errors.Join(err, context.Cause(ctx)))
			}
			rec, err = r.exchange(ctx, server, timeout, q, heard)
			heard = nil
			if err == nil || err == ErrAbsent {
				return rec, err
			}
			failed[i] = errors.Is(err, errServer)
			silent = silent || !failed[i]
		}
		if !silent {
			break
		}
	}
	return Records{}, q.explain(err)
}

// Candidates are the fully qualified names that a name may be short for, in
// the order they are to be tried (resolv.conf(5), ndots).
func (r *Resolver) Candidates(name string) iter.Seq[string] {
	asIs := strings.Count(name, ".") >= max(r.Ndots, 1)
	return func(yield func(string) bool) {
		if asIs && !yield(name) {
			return
		}
		for _, domain := range r.Search {
			if !yield(name + "." + domain) {
				return
			}
		}
		if !asIs {
			yield(name)
		}
	}
}
