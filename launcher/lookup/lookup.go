// Package lookup finds facts out: it is acl.Request.Ask with a network behind
// it.
//
// A fact is a name, a user or a membership that a rule wants to know about a
// client. [Finders] say how each kind of fact is found out, and attach
// themselves to a request; nothing is asked before a rule asks, nothing twice,
// and nothing waits longer than it may.
//
// The originals differ in what a name is, so there are three sets of finders:
//
//   - [Wrappers]: tcp_wrappers. /etc/hosts and DNS in the order of
//     nsswitch.conf, and a name counts only if it leads back to the address.
//   - [UCSPI.TCPServer]: tcpserver. DNS alone, the first name, checked against
//     the address only on request.
//   - [UCSPI.TCPEnv]: tcp-env. DNS alone, the first name, and a temporary
//     failure is told from a name that does not exist.
//
// DNS is spoken by [Resolver], a stub client (RFC 1034, 5.3.1) that trusts
// nothing it receives: see there. Users are asked for by RFC 1413.
//
// Everything found out has been chosen by whoever runs the client's DNS or
// the client itself. It is bounded in length here, and not escaped: whoever
// puts it into a log, an environment or a reply does that.
package lookup

import (
	"context"
	"time"

	"doorward/acl"
)

// A Finder finds one kind of fact out about r, before ctx ends. It answers
// Unknown, or acl.Failed where its asker cares, if it cannot.
type Finder func(ctx context.Context, r *acl.Request, arg string) acl.Answer

// Finders say how each kind of fact is found out. A kind without a finder is
// Unknown; nil Finders know nothing.
type Finders map[acl.Kind]Finder

// Attach gives r an Ask that finds facts out by fs. No fact takes longer than
// limit, if that is above 0, and all of them together end with ctx.
func (fs Finders) Attach(ctx context.Context, r *acl.Request, limit time.Duration) {
	r.Ask = func(f acl.Fact) acl.Answer {
		find := fs[f.Kind]
		if find == nil {
			return acl.Answer{}
		}
		ctx := ctx
		if limit > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, limit)
			defer cancel()
		}
		return find(ctx, r, f.Arg)
	}
}

// Traced returns finders that call trace after each fact, with the time it
// took to find out.
func (fs Finders) Traced(trace func(acl.Fact, acl.Answer, time.Duration)) Finders {
	traced := make(Finders, len(fs))
	for kind, find := range fs {
		traced[kind] = func(ctx context.Context, r *acl.Request, arg string) acl.Answer {
			start := time.Now()
			a := find(ctx, r, arg)
			trace(acl.Fact{Kind: kind, Arg: arg}, a, time.Since(start))
			return a
		}
	}
	return traced
}
