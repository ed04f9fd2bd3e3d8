// Package dnslist asks DNS lists about clients (RFC 5782) and does not believe
// all they say.
//
// Whether a client is refused is decided by acl/dnsbl from what its lists
// answer. This package gets the answers, for a process that serves many
// clients: an [Engine] is behind acl.Listed. All lists of a client are asked
// at once, and nobody waits for an answer that can change nothing any more.
// Answers are kept as long as the DNS allows, in a bounded number of bytes;
// equal questions are asked once, and no more at a time than the machine can
// bear.
//
// Lists die, change hands, and refuse to serve whoever asks too much, and some
// then list the world. So each list is under examination. By RFC 5782, 5 a
// list has the address 127.0.0.2 and does not have 127.0.0.1; one that fails
// this is switched off: it lists nobody until it passes again. It is examined
// before its first listing counts, every 30 minutes, and, since a list may turn
// bad between, whenever it lists a client and the last examination is more
// than a minute old. A list is switched off, too, if it says that it refuses our
// questions, or has failed to answer many in a row. Each of these is logged
// once, and [Engine.Status] shows it.
//
// Some resolvers answer with the address of an advertisement where there is no
// such name. A name that cannot exist (RFC 6761, 6.4) tells; from then on
// that address means "not listed".
//
// In all cases of doubt the client is not listed.
package dnslist

import (
	"cmp"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"doorward/acl"
	"doorward/acl/dnsbl"
	"doorward/launcher/dnslist/internal/ttlcache"
	"doorward/launcher/lookup"
)

// A Lookup asks the DNS, as [lookup.Resolver] does with the methods of these
// names.
type Lookup interface {
	Lookup(ctx context.Context, name string, typ dnsmessage.Type) (lookup.Records, error)
	Ask(limit time.Duration, name string, typ dnsmessage.Type, done func(lookup.Records, error))
}

// A LookupFunc is a Lookup that takes a goroutine for each question.
type LookupFunc func(ctx context.Context, name string, typ dnsmessage.Type) (lookup.Records, error)

// Lookup calls f.
func (f LookupFunc) Lookup(ctx context.Context, name string, typ dnsmessage.Type) (lookup.Records, error) {
	return f(ctx, name, typ)
}

// Ask calls f in the background.
func (f LookupFunc) Ask(limit time.Duration, name string, typ dnsmessage.Type, done func(lookup.Records, error)) {
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		done(f(ctx, name, typ))
	}()
}

// A Config is what an Engine needs to know. Zero fields have a default.
type Config struct {
	Lookup Lookup // nil: Stub with the servers of /etc/resolv.conf

	ListTimeout time.Duration // for one list to answer; 0: 3 s
	Timeout     time.Duration // for all lists of a client together; 0: 5 s

	CacheBytes   int // what the answers that are kept may take; 0: 16 MiB
	MaxQuestions int // asked at once for clients; 0: 2048

	// Log hears of lists that are switched off or on, and why; nil: nobody.
	// It is called by several goroutines at once, must not block for long, and
	// must not call the engine.
	Log func(acl.Note)
}

const (
	defaultListTimeout  = 3 * time.Second
	defaultTimeout      = 5 * time.Second
	defaultCacheBytes   = 16 << 20
	defaultMaxQuestions = 2048 // 10,000 new clients a second, five lists, 20 ms: 1000; unbound takes as many
)

// An Engine asks lists about clients. It is made by [New], one for the whole
// process, and safe for use by several goroutines at once.
type Engine struct {
	config Config
	start  time.Time // where its clock begins

	mu      sync.Mutex
	lists   map[listKey]*list
	used    []*list // what Run examines, in the order it was named
	cache   *ttlcache.Cache[key, acl.Answer]
	flights map[key]*flight
	queue   []*flight // not asked yet
	asking  int       // under way
	crowded bool      // the queue has been full, and the log heard of it

	editions  atomic.Uint32 // how many there have been
	rewriting rewriting
	wake      chan struct{} // tells Run that there are other lists
}

// New returns an engine that has asked nothing yet.
func New(c Config) *Engine {
	c.ListTimeout = cmp.Or(c.ListTimeout, defaultListTimeout)
	c.Timeout = cmp.Or(c.Timeout, defaultTimeout)
	c.CacheBytes = cmp.Or(c.CacheBytes, defaultCacheBytes)
	c.MaxQuestions = cmp.Or(c.MaxQuestions, defaultMaxQuestions)
	if c.Lookup == nil {
		c.Lookup = Stub(lookup.ResolvConf("/etc/resolv.conf"), c.ListTimeout)
	}
	return &Engine{
		config:  c,
		start:   time.Now(),
		lists:   make(map[listKey]*list),
		cache:   ttlcache.New[key, acl.Answer](c.CacheBytes),
		flights: make(map[key]*flight),
		wake:    make(chan struct{}, 1),
	}
}

// now is the engine's clock, which nobody can set back.
func (e *Engine) now() time.Duration { return time.Since(e.start) }

func (e *Engine) log(n acl.Note) {
	if e.config.Log != nil {
		e.config.Log(n)
	}
}

// Use says which lists are in use from now on: those Run examines and Status
// shows. It replaces what an earlier Use said, as a reload does. What is known
// about a list that stays in use remains known.
func (e *Engine) Use(ls ...*dnsbl.Lists) {
	e.mu.Lock()
	defer e.mu.Unlock()
	before := e.lists
	e.lists, e.used = make(map[listKey]*list), nil
	for _, l := range ls {
		for i := range l.Zones {
			k := keyOf(&l.Zones[i])
			if e.lists[k] != nil {
				continue
			}
			if old := before[k]; old != nil {
				e.lists[k] = old
				e.used = append(e.used, old)
				continue
			}
			e.list(&l.Zones[i])
		}
	}
	select {
	case e.wake <- struct{}{}:
	default: // it has been told already
	}
}

// list returns what is known about a zone. The caller holds e.mu.
func (e *Engine) list(z *dnsbl.Zone) *list {
	k := keyOf(z)
	l := e.lists[k]
	if l == nil {
		l = newList(e, z)
		e.lists[k] = l
		e.used = append(e.used, l)
	}
	return l
}
