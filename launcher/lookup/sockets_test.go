package lookup_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"doorward/launcher/internal/dnstest"
	"doorward/launcher/lookup"
)

// A crowd is a server that answers many questions out of order, and notes from
// which port and under which id each came. The address of hN.example is 10 and
// the three octets of N.
type crowd struct {
	addr netip.AddrPort
	lies int // replies with a wrong id before each right one
	hush bool

	mu  sync.Mutex
	ids map[uint16]map[uint16]int // by port
}

func serveCrowd(t *testing.T, c *crowd) *crowd {
	c.ids = map[uint16]map[uint16]int{}
	over := zone{addrs: map[string][]string{}}
	for n := range 1000 {
		over.addrs[fmt.Sprintf("h%d.example.", n)] = []string{addressOf(n).String()}
	}
	c.addr = dnstest.Start(t, &dnstest.Server{Answer: over.answer, UDP: c.answer}).Addr
	return c
}

func addressOf(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
}

func (c *crowd) answer(conn *net.UDPConn) {
	buf := make([]byte, 4096)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buf[:n]) != nil {
			continue
		}
		c.note(from.Port(), m.ID)
		if c.hush {
			continue
		}
		h := dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET, TTL: 300}
		var host int
		fmt.Sscanf(m.Questions[0].Name.String(), "h%d.", &host)
		m.Response, m.Additionals = true, nil
		lie := m
		lie.Answers = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.AResource{A: [4]byte{203, 0, 113, 66}}}}
		for i := range c.lies {
			lie.ID = m.ID + uint16(i) + 1
			conn.WriteToUDPAddrPort(dnstest.Pack(lie), from)
		}
		m.Answers = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.AResource{A: addressOf(host).As4()}}}
		right := dnstest.Pack(m)
		time.AfterFunc(time.Duration(rand.IntN(20))*time.Millisecond, func() {
			conn.WriteToUDPAddrPort(right, from)
			conn.WriteToUDPAddrPort(right, from) // the network may do that
		})
	}
}

func (c *crowd) note(port, id uint16) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ids[port] == nil {
		c.ids[port] = map[uint16]int{}
	}
	c.ids[port][id]++
}

// askAll asks for n names, so many at once, and returns how many answers were
// right. Any that is wrong fails the test.
func askAll(t *testing.T, r *lookup.Resolver, n, atOnce int) (right int) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan bool, atOnce)
	for i := range n {
		slots <- true
		wg.Add(1)
		r.Ask(3*time.Second, fmt.Sprintf("h%d.example", i%1000), dnsmessage.TypeA, func(rec lookup.Records, err error) {
			defer wg.Done()
			<-slots
			mu.Lock()
			defer mu.Unlock()
			if err == nil && !slices.Equal(rec.Addrs, []netip.Addr{addressOf(i % 1000)}) {
				t.Errorf("h%d has %v", i%1000, rec.Addrs)
			} else if err == nil {
				right++
			}
		})
	}
	wg.Wait()
	return right
}

// Questions that share sockets get each its own answer. No socket sends more
// than 64, no id twice, and there are enough sockets to guess among.
func TestQuestionsShareSockets(t *testing.T) {
	c := serveCrowd(t, &crowd{})
	r := &lookup.Resolver{Servers: []netip.AddrPort{c.addr}, Sockets: new(lookup.Sockets)}
	const n = 20_000
	if right := askAll(t, r, n, 500); right < n*99/100 { // a busy machine may lose some
		t.Errorf("%d of %d were answered", right, n)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.ids) < 64 || len(c.ids) > n/10 {
		t.Errorf("%d ports", len(c.ids))
	}
	for port, ids := range c.ids {
		sum, different := 0, len(ids)
		for _, times := range ids {
			sum += times
		}
		// The kernel may choose a port a second time: then there were two sockets.
		if sum > 2*64 || sum <= 64 && different < sum {
			t.Errorf("port %d: %d questions with %d ids", port, sum, different)
		}
	}
}

// Without Sockets each question has a port of its own.
func TestWithoutSocketsEachQuestionHasItsPort(t *testing.T) {
	c := serveCrowd(t, &crowd{})
	askAll(t, &lookup.Resolver{Servers: []netip.AddrPort{c.addr}}, 200, 200)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.ids) < 190 { // the kernel may choose one twice
		t.Errorf("%d ports for 200 questions", len(c.ids))
	}
}

// Whoever guesses ids is noticed before he hits one, and what waits is asked
// over TCP.
func TestWhoGuessesIdsIsNotBelieved(t *testing.T) {
	for _, sockets := range []*lookup.Sockets{nil, new(lookup.Sockets)} {
		c := serveCrowd(t, &crowd{lies: 40})
		r := &lookup.Resolver{Servers: []netip.AddrPort{c.addr}, Sockets: sockets}
		if right := askAll(t, r, 100, 20); right < 95 {
			t.Errorf("%d of 100 were answered", right)
		}
	}
}

// A server that lies and never tells the truth leaves a question unanswered,
// and the error says that it lied.
func TestTheErrorTellsOfWrongIds(t *testing.T) {
	s := serve(t, zone{faults: everywhere(dnstest.OnlyWrongID)})
	_, err := resolver(s).Lookup(t.Context(), "a.example", dnsmessage.TypeA)
	if want := "i/o timeout, but 1 replies to questions that were not asked"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Sockets are closed when their time is over, whatever became of their
// questions: of each kind, with answers, without, and given up.
func TestSocketsAreClosed(t *testing.T) {
	before := descriptors(t)
	for _, hush := range []bool{false, true} {
		c := serveCrowd(t, &crowd{hush: hush})
		r := &lookup.Resolver{Servers: []netip.AddrPort{c.addr}, Sockets: new(lookup.Sockets), Timeouts: []time.Duration{200 * time.Millisecond}}
		askAll(t, r, 500, 500)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		r.Lookup(ctx, "h1.example", dnsmessage.TypeA)
		cancel()
	}
	dead := &lookup.Resolver{Servers: []netip.AddrPort{nobody(t)}, Sockets: new(lookup.Sockets), Timeouts: []time.Duration{time.Minute}}
	start := time.Now()
	if right := askAll(t, dead, 100, 10); right != 0 || time.Since(start) > 5*time.Second {
		t.Errorf("nobody listens: %d answers after %v", right, time.Since(start))
	}
	const servers = 2 * 2
	for end := time.Now().Add(10 * time.Second); descriptors(t) > before+servers; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d descriptors, %d before", descriptors(t), before)
		}
	}
}

func descriptors(t *testing.T) int {
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("needs /proc:", err)
	}
	return len(files)
}

// What Lookup returns, Ask tells, from every kind of server, and once.
func TestAskAgreesWithLookup(t *testing.T) {
	for _, f := range dnstest.Faults {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			bad := serve(t, zone{addrs: map[string][]string{"a.example.": {"192.0.2.7"}}, faults: everywhere(f)})
			r := resolver(bad, bad)
			r.Sockets = new(lookup.Sockets)
			for _, name := range []string{"a.example", "b.example", ".."} {
				want, err := r.Lookup(t.Context(), name, dnsmessage.TypeA)
				told := make(chan lookup.Records, 2)
				r.Ask(time.Minute, name, dnsmessage.TypeA, func(rec lookup.Records, askErr error) {
					if outcome(askErr) != outcome(err) {
						t.Errorf("%s: Ask %v, Lookup %v", name, askErr, err)
					}
					told <- rec
				})
				if got := <-told; !slices.Equal(got.Addrs, want.Addrs) || got.TTL != want.TTL {
					t.Errorf("%s: Ask %+v, Lookup %+v", name, got, want)
				}
			}
		})
	}
}
