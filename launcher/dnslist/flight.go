package dnslist

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"doorward/acl"
	"doorward/acl/dnsbl"
	"doorward/launcher/lookup"
)

// How long an answer is kept, whatever the DNS says: shorter than a minute
// would be a question for each connection, and who has been taken off a list
// need not wait longer than an hour. postscreen(8) has the same bounds. A
// failure is kept as RFC 9520, 3.2 advises.
const (
	minTTL  = time.Minute
	maxTTL  = time.Hour
	failTTL = 5 * time.Second
)

// maxQueue bounds the questions that wait for their turn, so that clients who
// come faster than lists answer cost a bounded amount of memory.
const maxQueue = 1 << 16

var (
	errBusy = errors.New("too many questions at once")
	errLate = errors.New("no answer in time")
	errOff  = errors.New("switched off")
)

// A key is what an answer in the cache is about.
type key struct {
	addr    [16]byte // no pointer: the collector need not look into the cache
	edition uint32   // of a list, for one family of addresses
}

// question returns the name under which zone lists the address.
func (k key) question(zone string) string {
	return dnsbl.Query(netip.AddrFrom16(k.addr), zone)
}

// A result is what came of asking one list. The zero result is not known yet.
type result struct {
	known  bool
	answer acl.Answer
	ends   time.Duration // when the answer is no longer kept
	err    error         // why there is none
	took   time.Duration // 0: it was in the cache
}

// A flight is a question on its way. Whoever has the same question waits for
// its answer.
type flight struct {
	key     key
	health  *health
	born    time.Duration
	waiting []waiter
}

// A waiter gets a result through a channel that has room for it.
type waiter struct {
	ch    chan<- landing
	index int
}

type landing struct {
	index  int
	result result
}

// join asks a question, or waits for the answer to an equal one. It reports
// whether it did: there may be too many. The caller holds e.mu, and calls
// depart after that.
func (e *Engine) join(k key, h *health, w waiter) bool {
	if f := e.flights[k]; f != nil {
		f.waiting = append(f.waiting, w)
		return true
	}
	if len(e.queue) >= maxQueue {
		e.crowd(true)
		return false
	}
	f := &flight{key: k, health: h, born: e.now(), waiting: []waiter{w}}
	e.flights[k] = f
	e.queue = append(e.queue, f)
	return true
}

// crowd notes that there are too many questions, or no longer, and tells the
// log when that begins and ends. The caller holds e.mu.
func (e *Engine) crowd(now bool) {
	if e.crowded == now {
		return
	}
	e.crowded = now
	text := "DNS: more questions than can be asked, no list is asked about some clients"
	if !now {
		text = "DNS: all questions can be asked again"
	}
	go e.log(acl.Note{Err: now, Text: text}) // not within the lock
}

// depart asks what waits in the queue, as far as there may be more questions
// at once. No goroutine waits for an answer: whoever hears it goes on with the
// queue.
func (e *Engine) depart() {
	for f := e.next(); f != nil; f = e.next() {
		if r, asked := e.launch(f); !asked {
			e.land(f, r)
		}
	}
}

// next returns the question that has waited longest, nil if none is to be asked
// now.
func (e *Engine) next() *flight {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.queue) == 0 || e.asking >= e.config.MaxQuestions {
		return nil
	}
	f := e.queue[0]
	e.queue[0] = nil
	if e.queue = e.queue[1:]; len(e.queue) == 0 {
		e.queue = nil
	}
	e.asking++
	if len(e.queue) < maxQueue/2 {
		e.crowd(false)
	}
	return f
}

// land keeps an answer, and hands it to everybody who waits for it.
func (e *Engine) land(f *flight, r result) {
	now := e.now()
	r.known, r.took = true, max(now-f.born, 1)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asking--
	delete(e.flights, f.key)
	e.cache.Put(f.key, r.answer, len(r.answer.Text), r.ends, now)
	for _, w := range f.waiting {
		w.ch <- landing{w.index, r} // has room
	}
}

// launch asks the list for an address, unless that is of no use any more: then
// it returns what there is to say.
func (e *Engine) launch(f *flight) (r result, asked bool) {
	h := f.health
	if !h.usable() {
		return result{err: errOff}, false
	}
	if e.now()-f.born > e.config.Timeout {
		return result{answer: acl.Answer{Status: acl.Failed}, err: errBusy}, false // nobody waits any more
	}
	h.asked.Add(1)
	limit := e.config.ListTimeout
	end := time.Now().Add(limit)
	e.config.Lookup.Ask(limit, f.key.question(h.list.name), dnsmessage.TypeA, func(rec lookup.Records, err error) {
		if err == nil {
			go e.settle(f, rec, end) // which takes more questions
			return
		}
		e.land(f, e.unlisted(h, rec, err))
		e.depart()
	})
	return result{}, true
}

// unlisted is the result of a question that found no address.
func (e *Engine) unlisted(h *health, rec lookup.Records, err error) result {
	if errors.Is(err, lookup.ErrAbsent) {
		h.answered(false)
		return e.keep(acl.Answer{Status: acl.Absent}, rec.TTL)
	}
	h.unanswered(err.Error())
	return result{answer: acl.Answer{Status: acl.Failed}, err: err, ends: e.now() + failTTL}
}

// settle finds out, until end, what addresses come to.
func (e *Engine) settle(f *flight, rec lookup.Records, end time.Time) {
	ctx, cancel := context.WithDeadline(context.Background(), end)
	defer cancel()
	rec, err := e.check(ctx, rec)
	if err != nil {
		e.land(f, e.unlisted(f.health, rec, err))
	} else {
		e.land(f, e.found(ctx, f, rec))
	}
	e.depart()
}

// found looks closer at addresses that the list has for the client.
func (e *Engine) found(ctx context.Context, f *flight, rec lookup.Records) result {
	h := f.health
	listing := dnsbl.Listing{Addrs: rec.Addrs}
	a := acl.Answer{Status: acl.Found, Text: listing.String()}
	if o := h.list.judge(a); o.Fault != "" {
		h.void(o)
		return e.keep(a, 0)
	}
	ttl := rec.TTL
	if !h.list.allow {
		txt, err := e.config.Lookup.Lookup(ctx, f.key.question(h.list.name), dnsmessage.TypeTXT)
		listing.Text = text(txt.Texts)
		a.Text = listing.String()
		if err == nil {
			ttl = min(ttl, txt.TTL)
		}
	}
	if !h.vouched(ctx) {
		return result{err: errOff}
	}
	h.answered(true)
	return e.keep(a, ttl)
}

// text joins the TXT records as rblsmtpd does, and leaves out what no reply
// has room for.
func text(records []string) string {
	s := strings.Join(records, "")
	return strings.Clone(s[:min(len(s), dnsbl.MaxReply)])
}

// keep returns a as a result to be kept.
func (e *Engine) keep(a acl.Answer, ttl time.Duration) result {
	return result{answer: a, ends: e.now() + min(max(ttl, minTTL), maxTTL)}
}
