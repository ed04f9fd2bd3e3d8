package dnslist_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"doorward/acl"
	"doorward/acl/dnsbl"
	"doorward/launcher/dnslist"
	"doorward/launcher/lookup"
)

// A world is the DNS on a clock that tests set: what names have, how long they
// take, and who asked for what.
type world struct {
	mu    sync.Mutex
	addrs map[string]string // the A records of a name, with blanks between
	texts map[string]string
	zones map[string]zone // what all names of a zone have in common
	asked []string        // "A name"
	most  int             // at once
	now   int
}

type zone struct {
	every string        // the A records of every name: a list that lists the world
	fail  error         // instead of any answer
	delay time.Duration // before an answer
	ttl   time.Duration // of every answer; 0: 5 minutes
	empty bool          // not even the addresses that every list has
}

func newWorld() *world {
	return &world{addrs: map[string]string{}, texts: map[string]string{}, zones: map[string]zone{}}
}

var testAddrs = []string{"2.0.0.127.", "2.0.0.0.0.0.f.7.f.f.f.f." + strings.Repeat("0.", 20)}

// Lookup is a dnslist.Lookup.
func (w *world) Lookup(ctx context.Context, name string, typ dnsmessage.Type) (lookup.Records, error) {
	z, at := w.ask(name, typ)
	defer w.answered()
	if z.delay > 0 {
		select {
		case <-time.After(z.delay):
		case <-ctx.Done():
			return lookup.Records{}, ctx.Err()
		}
	}
	if z.fail != nil {
		return lookup.Records{}, z.fail
	}
	return w.records(name, typ, z, at)
}

func (w *world) ask(name string, typ dnsmessage.Type) (zone, string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, strings.TrimPrefix(typ.String(), "Type")+" "+name)
	w.now++
	w.most = max(w.most, w.now)
	for at, z := range w.zones {
		if strings.HasSuffix(name, "."+at) {
			return z, at
		}
	}
	return zone{}, ""
}

func (w *world) answered() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now--
}

func (w *world) records(name string, typ dnsmessage.Type, z zone, at string) (lookup.Records, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	rec := lookup.Records{Name: name, TTL: z.ttl}
	if rec.TTL == 0 {
		rec.TTL = 5 * time.Minute
	}
	addrs := w.addrs[name]
	if addrs == "" && at != "" && !z.empty && slices.Contains(testAddrs, strings.TrimSuffix(name, at)) {
		addrs = "127.0.0.2"
	}
	if addrs == "" {
		addrs = z.every
	}
	switch {
	case typ == dnsmessage.TypeA && addrs != "":
		for a := range strings.FieldsSeq(addrs) {
			rec.Addrs = append(rec.Addrs, netip.MustParseAddr(a))
		}
	case typ == dnsmessage.TypeTXT && w.texts[name] != "":
		rec.Texts = []string{w.texts[name]}
	default:
		return rec, lookup.ErrAbsent
	}
	return rec, nil
}

// set changes what the names of a zone have in common.
func (w *world) set(name string, z zone) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.zones[name] = z
}

// put gives a name an address.
func (w *world) put(name, addrs string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.addrs[name] = addrs
}

// questions returns what has been asked that begins with prefix, sorted, and
// forgets all questions.
func (w *world) questions(prefix string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	asked := slices.DeleteFunc(w.asked, func(q string) bool { return !strings.HasPrefix(q, prefix) })
	w.asked = nil
	slices.Sort(asked)
	return asked
}

// bubble runs a test on a clock of its own. Its context ends with it, and what
// it left under way is given time to end.
func bubble(t *testing.T, f func(*testing.T, context.Context)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		f(t, ctx)
		cancel()
		time.Sleep(2 * time.Minute)
	})
}

// notes is a log.
type notes struct {
	mu    sync.Mutex
	lines []string
}

func (n *notes) add(note acl.Note) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, note.Text)
}

// take returns the lines that contain word, and forgets all lines.
func (n *notes) take(word string) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	lines := slices.DeleteFunc(n.lines, func(s string) bool { return !strings.Contains(s, word) })
	n.lines = nil
	return lines
}

// lists parses block and allow lists.
func lists(t testing.TB, block, allow string) *dnsbl.Lists {
	t.Helper()
	b, err1 := dnsbl.ParseZones(acl.Pos{}, block)
	a, err2 := dnsbl.ParseAllow(acl.Pos{}, allow)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return &dnsbl.Lists{Zones: append(b, a...)}
}

// decide asks e for what l needs to know about a client, and says in a word
// what l decides: "pass", or "4" or "5" and the reply.
func decide(e *dnslist.Engine, l *dnsbl.Lists, client string) string {
	r := &acl.Request{Remote: netip.AddrPortFrom(netip.MustParseAddr(client), 40001)}
	e.Attach(context.Background(), r, l)
	return word(l.Decide(r))
}

func word(d acl.Decision) string {
	switch {
	case d.Verdict != acl.Deny:
		return d.Verdict.String()
	case d.Reply.Temporary:
		return "4 " + d.Reply.Text
	}
	return "5 " + d.Reply.Text
}
