package launcher_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"doorward/acl"
	"doorward/launcher"
	"doorward/launcher/journal"
	"doorward/launcher/run"
	"doorward/launcher/sock"
)

// actAs makes the test binary a program that takes a whole socket: it serves
// that many clients, and ends.
const actAs = "DOORWARD_TEST_ACT_AS"

func TestMain(m *testing.M) {
	var clients int
	fmt.Sscan(os.Getenv(actAs), &clients)
	if clients == 0 {
		os.Exit(m.Run())
	}
	if pc, err := net.FilePacketConn(os.Stdin); err == nil {
		b := make([]byte, 2000)
		for range clients {
			n, from, _ := pc.ReadFrom(b)
			pc.WriteTo(fmt.Appendf(nil, "%d heard %s, REMOTE_HOST %q", os.Getpid(), b[:n], os.Getenv("REMOTE_HOST")), from)
		}
		return
	}
	l, err := net.FileListener(os.Stdin)
	if err != nil {
		panic(err)
	}
	for range clients {
		c, _ := l.Accept()
		fmt.Fprintf(c, "%d", os.Getpid())
		c.Close()
	}
}

// lent opens a house whose program takes the socket, and serves so many.
func lent(t *testing.T, svc *launcher.Service, clients int, datagram bool) *house {
	t.Helper()
	h, s, l := borrowed(t, svc, clients, datagram)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Lend(ctx, l, &h.port) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return h
}

// borrowed is a house before anybody lends its socket.
func borrowed(t *testing.T, svc *launcher.Service, clients int, datagram bool) (*house, *launcher.Server, *sock.Listener) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	svc.Name = "t"
	if svc.Program.Path == "" {
		svc.Program = run.Program{Path: self, Setsid: true}
	}
	svc.Env = []string{fmt.Sprintf("%s=%d", actAs, clients), "GORACE=atexit_sleep_ms=0"} // with -race, an exit takes a second otherwise
	svc.RemoteHost = true
	l, err := sock.Listen(sock.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0"), Datagram: datagram})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, addr: l.Addr().String()}
	h.port.Set(svc)
	t.Cleanup(func() { l.Close() })
	return h, &launcher.Server{Journal: h.hear}, l
}

// ask sends a datagram and returns the answer; empty: none within a moment.
func (h *house) ask(from, text string) string {
	h.t.Helper()
	d := net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))}
	c, err := d.Dial("udp", h.addr)
	if err != nil {
		h.t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, text)
	c.SetDeadline(time.Now().Add(time.Second))
	b := make([]byte, 2000)
	n, _ := c.Read(b)
	return string(b[:n])
}

// A program that takes the listening socket has its clients to itself until
// it ends; then there is another one.
func TestLend(t *testing.T) {
	h := lent(t, &launcher.Service{}, 2, false)
	var pids []string
	for range 4 {
		pids = append(pids, h.visit(""))
	}
	if pids[0] == "" || pids[0] != pids[1] || pids[1] == pids[2] || pids[2] != pids[3] {
		t.Errorf("served by %q", pids)
	}
}

// A datagram program gets the first datagram, and all that follow; it knows
// of no client that the others are not.
func TestLendDatagrams(t *testing.T) {
	h := lent(t, &launcher.Service{}, 2, true)
	for _, text := range []string{"one", "two", "three"} {
		if got := h.ask("127.0.0.1", text); !strings.HasSuffix(got, " heard "+text+`, REMOTE_HOST ""`) {
			t.Errorf("%s: got %q", text, got)
		}
	}
	if n := len(slices.DeleteFunc(h.kinds(), func(k journal.Kind) bool { return k != journal.Started })); n != 2 {
		t.Errorf("%d programs for three datagrams", n)
	}
	h.ask("127.0.0.1", "bye")
}

// Rules judge the sender of a datagram. One that is not let in costs no
// process, is not in anybody's way, and the log hears of it once a second.
func TestLendDenied(t *testing.T) {
	rule := acl.Func(func(r *acl.Request) acl.Decision {
		if r.Remote.Addr().String() == "127.0.0.3" && r.Datagram {
			return acl.Decision{Verdict: acl.Deny}
		}
		return acl.Decision{}
	})
	h := lent(t, &launcher.Service{Policy: rule}, 1, true)
	c, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.3:0")), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(h.addr)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 20 {
		io.WriteString(c, "flood")
	}
	if got := h.ask("127.0.0.1", "good"); !strings.Contains(got, "heard good") {
		t.Errorf("the good one got %q", got)
	}
	h.waitFor(journal.Ended)
	denied := len(slices.DeleteFunc(h.kinds(), func(k journal.Kind) bool { return k != journal.Denied }))
	if denied != 1 {
		t.Errorf("%v", h.kinds())
	}
}

// A connection to a service whose rules want an address is accepted and reset:
// it does not wait for ever, and does not make the server spin.
func TestLendDeniedConnection(t *testing.T) {
	h := lent(t, &launcher.Service{Policy: fixed(acl.Decision{Verdict: acl.Deny})}, 1, false)
	if c, err := net.Dial("tcp", h.addr); err == nil {
		defer c.Close()
		c.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
			t.Errorf("got %v", err)
		}
	}
	h.waitFor(journal.Denied)
	if e := h.events[0]; !e.Remote.IsValid() {
		t.Error("the journal does not know who")
	}
}

// A program that cannot be started takes the first datagram with it, and a
// break.
func TestLendFails(t *testing.T) {
	h := lent(t, &launcher.Service{Program: run.Program{Path: "/no/such/program"}}, 1, true)
	h.ask("127.0.0.1", "one")
	h.waitFor(journal.Failed)
}

// A program that leaves its clients in the queue is started as often as the
// pace allows, and not more.
func TestLendPace(t *testing.T) {
	h := lent(t, &launcher.Service{Program: shell("exit"), Pace: launcher.Pace{Count: 3, Break: time.Minute}}, 1, true)
	h.ask("127.0.0.1", "one")
	h.waitFor(journal.Noted)
	time.Sleep(50 * time.Millisecond)
	if n := len(slices.DeleteFunc(h.kinds(), func(k journal.Kind) bool { return k != journal.Started })); n != 4 {
		t.Errorf("started %d times", n)
	}
}

// A program that has the socket keeps it when Lend ends and begins again: no
// second one is started beside it.
func TestLendAgain(t *testing.T) {
	h, s, l := borrowed(t, &launcher.Service{}, 2, true)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Lend(ctx, l, &h.port) }()
	first := h.ask("127.0.0.1", "one")
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithCancel(context.Background())
	defer cancel()
	go func() { done <- s.Lend(ctx, l, &h.port) }()
	second, third := h.ask("127.0.0.1", "two"), h.ask("127.0.0.1", "three")
	pid := func(answer string) string { pid, _, _ := strings.Cut(answer, " "); return pid }
	if first == "" || pid(first) != pid(second) || third == "" || pid(third) == pid(first) {
		t.Errorf("got %q, %q, %q", first, second, third)
	}
	h.ask("127.0.0.1", "four")
	cancel()
	<-done
}
