package dnslist

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"doorward/acl"
	"doorward/acl/dnsbl"
	"doorward/launcher/lookup"
)

// A family is IPv4 or IPv6, with the addresses that every list has and that
// none has (RFC 5782, 5).
type family struct {
	name            string
	ip6             bool
	present, absent string
}

var families = [2]*family{
	{"IPv4", false, "127.0.0.2", "127.0.0.1"},
	{"IPv6", true, "::ffff:7f00:2", "::ffff:7f00:1"},
}

// familyOf is 0 for IPv4 and 1 for IPv6.
func familyOf(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}

// examine asks a list for the two addresses and returns what is wrong with it,
// or "".
func (f *family) examine(ctx context.Context, e *Engine, l *list) string {
	e.rewriting.examine(e)
	var has, hasNot acl.Answer
	var err1, err2 error
	var wg sync.WaitGroup
	wg.Go(func() { has, err1 = e.addresses(ctx, dnsbl.MustHave(l.name, f.ip6)) })
	wg.Go(func() { hasNot, err2 = e.addresses(ctx, dnsbl.MustNotHave(l.name, f.ip6)) })
	wg.Wait()
	switch {
	case l.judge(hasNot).Fault != "":
		return f.absent + ": " + reason(l.judge(hasNot), err2)
	case l.judge(has).Fault != "":
		return f.present + ": " + reason(l.judge(has), err1)
	case hasNot.Status == acl.Found:
		return "it has " + f.absent + ", which no list has"
	case has.Status != acl.Found:
		return "it does not have " + f.present + ", which every list has"
	}
	return ""
}

// reason says why an answer counts for nothing.
func reason(o dnsbl.Outcome, err error) string {
	if err != nil {
		return err.Error()
	}
	return o.Fault
}

// addresses asks for the A records of name and returns them in the form of
// [dnsbl.Listing]. The error says more about a Status of Failed.
func (e *Engine) addresses(ctx context.Context, name string) (acl.Answer, error) {
	rec, err := e.records(ctx, name, dnsmessage.TypeA)
	switch {
	case errors.Is(err, lookup.ErrAbsent):
		return acl.Answer{Status: acl.Absent}, nil
	case err != nil:
		return acl.Answer{Status: acl.Failed}, err
	}
	return acl.Answer{Status: acl.Found, Text: dnsbl.Listing{Addrs: rec.Addrs}.String()}, nil
}

// maxAddrs is how many addresses an answer may have. A list gives a few; to
// cut the rest off could cut off the one that makes the answer void.
const maxAddrs = 32

var errTooMany = errors.New("more addresses than a list gives")

// records asks the DNS.
func (e *Engine) records(ctx context.Context, name string, typ dnsmessage.Type) (lookup.Records, error) {
	rec, err := e.config.Lookup.Lookup(ctx, name, typ)
	if err != nil {
		return rec, err
	}
	return e.check(ctx, rec)
}

// check looks at addresses that a name has. What is only the resolver's way to
// say "no such name" is lookup.ErrAbsent.
func (e *Engine) check(ctx context.Context, rec lookup.Records) (lookup.Records, error) {
	if len(rec.Addrs) > maxAddrs {
		return lookup.Records{}, errTooMany
	}
	if slices.ContainsFunc(rec.Addrs, local) {
		return rec, nil // nobody could tell a listing from none
	}
	select {
	case <-e.rewriting.examine(e):
	case <-ctx.Done():
	}
	if e.rewriting.explains(rec.Addrs) {
		return lookup.Records{TTL: rec.TTL}, lookup.ErrAbsent
	}
	return rec, nil
}

// local reports whether a list could give a.
func local(a netip.Addr) bool { return a.Is4() && a.As4()[0] == 127 }

// rewriting is what is known about a resolver that replaces "no such name" by
// addresses of its own.
type rewriting struct {
	addrs       atomic.Pointer[[]netip.Addr] // nil: it does not
	examined    atomic.Int64                 // when; 0: never
	examination round
}

// explains reports whether addrs are nothing but what the resolver puts in
// place of "no such name".
func (w *rewriting) explains(addrs []netip.Addr) bool {
	theirs := w.addrs.Load()
	if theirs == nil {
		return false
	}
	return !slices.ContainsFunc(addrs, func(a netip.Addr) bool { return !slices.Contains(*theirs, a) })
}

// examine finds out whether the resolver rewrites, unless it has been found
// out lately. The channel it returns is closed when it is known.
func (w *rewriting) examine(e *Engine) <-chan struct{} {
	if last := w.examined.Load(); last != 0 && e.now()-time.Duration(last) < trustFor {
		done := make(chan struct{})
		close(done)
		return done
	}
	return w.examination.begin(func() {
		ctx, cancel := context.WithTimeout(context.Background(), e.config.ListTimeout)
		defer cancel()
		rec, err := e.config.Lookup.Lookup(ctx, impossible(), dnsmessage.TypeA)
		if err == nil || errors.Is(err, lookup.ErrAbsent) {
			w.learn(e, rec.Addrs)
		}
		w.examined.Store(int64(max(e.now(), 1)))
	})
}

// learn notes what a name that cannot exist has for addresses.
func (w *rewriting) learn(e *Engine, addrs []netip.Addr) {
	before := w.addrs.Load()
	if len(addrs) == 0 {
		if w.addrs.Store(nil); before != nil {
			e.log(acl.Note{Text: "DNS: the resolver no longer gives addresses to names that do not exist"})
		}
		return
	}
	addrs = addrs[:min(len(addrs), maxAddrs)]
	if w.addrs.Store(&addrs); before == nil {
		e.log(acl.Note{Err: true, Text: "DNS: the resolver gives " + dnsbl.Listing{Addrs: addrs}.String() +
			" to names that do not exist; as a list's answer it counts for none"})
	}
}

// impossible returns a name that cannot exist, and that nobody has asked for
// before.
func impossible() string {
	const letters = "abcdefghijklmnopqrstuvwxyz"
	var b strings.Builder
	for range 20 {
		b.WriteByte(letters[rand.IntN(len(letters))])
	}
	return b.String() + ".invalid"
}
