package launcher_test

import (
	"context"
	"io"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"doorward/acl"
	"doorward/acl/cidr"
	"doorward/launcher"
	"doorward/launcher/journal"
	"doorward/launcher/run"
	"doorward/launcher/sock"
)

// A house is a server with one port, and what its journal heard.
type house struct {
	t    *testing.T
	port launcher.Port
	addr string

	mu     sync.Mutex
	events []journal.Event
}

func open(t *testing.T, svc *launcher.Service, limits launcher.Limits) *house {
	t.Helper()
	h := &house{t: t}
	l, err := sock.Listen(sock.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0")})
	if err != nil {
		t.Fatal(err)
	}
	h.addr = l.Addr().String()
	h.port.Set(svc)
	h.port.Gate.Set(limits)
	s := &launcher.Server{Journal: h.hear}
	ctx, cancel := context.WithCancel(context.Background())
	accepting := make(chan error)
	go func() { accepting <- s.Accept(ctx, l, &h.port) }()
	t.Cleanup(func() {
		cancel()
		if err := <-accepting; err != nil {
			t.Error(err)
		}
		l.Close()
		end, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Wait(end); err != nil {
			t.Error("connections never ended:", err)
		}
	})
	return h
}

func (h *house) hear(e journal.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, e)
}

// kinds returns what has happened so far.
func (h *house) kinds() (ks []journal.Kind) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.events {
		ks = append(ks, e.Kind)
	}
	return ks
}

func (h *house) waitFor(k journal.Kind) {
	h.t.Helper()
	for end := time.Now().Add(5 * time.Second); !slices.Contains(h.kinds(), k); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("no %v among %v", k, h.kinds())
		}
	}
}

// status waits for the end of a program and returns how it ended.
func (h *house) status() syscall.WaitStatus {
	h.t.Helper()
	h.waitFor(journal.Ended)
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.IndexFunc(h.events, func(e journal.Event) bool { return e.Kind == journal.Ended })
	return h.events[i].Status
}

// visit sends input and returns all that comes back.
func (h *house) visit(input string) string {
	h.t.Helper()
	c := h.dial()
	defer c.Close()
	io.WriteString(c, input)
	c.(*net.TCPConn).CloseWrite()
	b, _ := io.ReadAll(c)
	return string(b)
}

func (h *house) dial() net.Conn {
	h.t.Helper()
	c, err := net.Dial("tcp", h.addr)
	if err != nil {
		h.t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}

func shell(script string) run.Program {
	return run.Program{Path: "/bin/sh", Argv: []string{"sh", "-c", script}, Setsid: true}
}

func fixed(d acl.Decision) acl.Policy {
	return acl.Func(func(*acl.Request) acl.Decision { return d })
}

// A listener costs a few goroutines, however many processors there are.
func TestIdleListener(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(200))
	before := runtime.NumGoroutine()
	open(t, &launcher.Service{Name: "t"}, launcher.Limits{})
	time.Sleep(20 * time.Millisecond)
	if n := runtime.NumGoroutine() - before; n > 12 {
		t.Errorf("%d goroutines", n)
	}
}

// Whoever accepts next at a socket has it to himself: the end of the one before
// is not his end.
func TestAcceptAgain(t *testing.T) {
	l, err := sock.Listen(sock.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0")})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var p launcher.Port
	p.Set(&launcher.Service{Name: "t"})
	s := &launcher.Server{Journal: func(journal.Event) {}}
	for i := range 3000 {
		serve := s.Accept
		if i%2 == 0 {
			serve = s.Lend
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- serve(ctx, l, &p) }()
		for range i % 50 {
			runtime.Gosched() // it ends sooner or later
		}
		cancel()
		if err := <-ended; err != nil {
			t.Fatalf("number %d: %v", i, err)
		}
	}
}

// Whoever is kept out costs no process and hears nothing.
func TestDenied(t *testing.T) {
	h := open(t, &launcher.Service{Name: "t", Program: shell("echo in"), Policy: fixed(acl.Decision{Verdict: acl.Deny})}, launcher.Limits{})
	if got := h.visit(""); got != "" {
		t.Errorf("got %q", got)
	}
	h.waitFor(journal.Denied)
	if slices.Contains(h.kinds(), journal.Started) {
		t.Error("a process was started")
	}
}

// RELAYCLIENT is for relay_from and for whom a rule gives it, whatever was
// inherited.
func TestRelay(t *testing.T) {
	mine, others := cidr.New[struct{}](), cidr.New[struct{}]()
	mine.Insert(netip.MustParsePrefix("127.0.0.0/8"), struct{}{})
	others.Insert(netip.MustParsePrefix("192.0.2.0/24"), struct{}{})
	rule := func(value string, unset bool) acl.Policy {
		return fixed(acl.Decision{Env: []acl.Setenv{{Name: "RELAYCLIENT", Value: value, Unset: unset}}})
	}
	tests := []struct {
		name  string
		svc   launcher.Service
		want  string // "unset", or the value in brackets
		relay bool
	}{
		{"nobody said so", launcher.Service{}, "unset", false},
		{"another network is trusted", launcher.Service{RelayFrom: others}, "unset", false},
		{"this network is trusted", launcher.Service{RelayFrom: mine}, "[]", true},
		{"trusted, with a value", launcher.Service{RelayFrom: mine, RelayClient: ".x"}, "[.x]", true},
		{"a rule says so", launcher.Service{Policy: rule("@y", false)}, "[@y]", true},
		{"a rule knows better than relay_from", launcher.Service{RelayFrom: mine, Policy: rule("@y", false)}, "[@y]", true},
		{"a rule takes it away", launcher.Service{RelayFrom: mine, Policy: rule("", true)}, "unset", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.svc.Env = []string{"RELAYCLIENT=inherited"}
			tt.svc.Program = shell(`[ "${RELAYCLIENT+set}" ] && echo "[$RELAYCLIENT]" || echo unset`)
			h := open(t, &tt.svc, launcher.Limits{})
			if got := strings.TrimSpace(h.visit("")); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			h.waitFor(journal.Ended)
			if e := h.events[len(h.events)-1]; e.Relay != tt.relay {
				t.Errorf("the journal says %v", e.Relay)
			}
		})
	}
}

// Whoever lets a client relay by saying no is told so.
func TestRelayNo(t *testing.T) {
	rule := fixed(acl.Decision{Rule: acl.Pos{File: "f", Line: 3}, Env: []acl.Setenv{{Name: "RELAYCLIENT", Value: "No"}}})
	h := open(t, &launcher.Service{Program: shell("exit"), Policy: rule}, launcher.Limits{})
	h.visit("")
	h.waitFor(journal.Ended)
	if got := h.events[0].Notes; len(got) != 1 || got[0].Pos.Line != 3 {
		t.Errorf("notes %v", got)
	}
}

// One client whose name takes long to find out holds nobody else up.
func TestSlowFactsHoldNobodyUp(t *testing.T) {
	release := make(chan struct{})
	slow := acl.Func(func(r *acl.Request) acl.Decision { r.Get(acl.Name, ""); return acl.Decision{} })
	first := true
	attach := func(r *acl.Request) {
		if first {
			first = false
			r.Ask = func(acl.Fact) acl.Answer { <-release; return acl.Answer{} }
		}
	}
	var mu sync.Mutex
	h := open(t, &launcher.Service{Name: "t", Program: shell("echo in"), Policy: slow,
		Attach: func(r *acl.Request) { mu.Lock(); defer mu.Unlock(); attach(r) }}, launcher.Limits{})
	stuck := h.dial()
	defer stuck.Close()
	for { // until the first connection is the stuck one
		mu.Lock()
		taken := !first
		mu.Unlock()
		if taken {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if got := h.visit(""); got != "in\n" {
		t.Errorf("got %q while another was being looked up", got)
	}
	close(release)
	if b, _ := io.ReadAll(stuck); string(b) != "in\n" {
		t.Errorf("the slow one got %q", b)
	}
}

// A program that cannot be started is told of, and the client is let go.
func TestNoProgram(t *testing.T) {
	h := open(t, &launcher.Service{Name: "t", Program: run.Program{Path: "/no/such/program"}}, launcher.Limits{})
	if got := h.visit(""); got != "" {
		t.Errorf("got %q", got)
	}
	h.waitFor(journal.Failed)
}

// The options of a rule are carried out: here a banner's worth of them.
func TestOptions(t *testing.T) {
	d := acl.Decision{Verdict: acl.Deny, Options: []acl.Option{{Key: "twist", Value: "echo twisted $A", Env: 1}},
		Env: []acl.Setenv{{Name: "A", Value: "a"}}}
	h := open(t, &launcher.Service{Name: "t", Program: shell("echo in"), Policy: fixed(d)}, launcher.Limits{})
	if got := h.visit(""); got != "twisted a\n" {
		t.Errorf("got %q", got)
	}
	h.waitFor(journal.Ended)
	if !slices.Contains(h.kinds(), journal.Replaced) {
		t.Errorf("events %v", h.kinds())
	}
}

// One address that has all it may have is reset; it does not wait in front of
// others.
func TestPerSource(t *testing.T) {
	h := open(t, &launcher.Service{Name: "t", Program: shell("cat")}, launcher.Limits{PerSource: 1})
	c := h.dial()
	defer c.Close()
	h.waitFor(journal.Started)
	if second, err := net.Dial("tcp", h.addr); err == nil { // the reset may be faster than the dial
		defer second.Close()
		if b, _ := io.ReadAll(second); len(b) > 0 {
			t.Errorf("a second connection got %q", b)
		}
	}
	h.waitFor(journal.Refused)
}

// A program that runs for too long is told to end, with those it started.
func TestMaxSession(t *testing.T) {
	svc := &launcher.Service{Name: "t", Program: shell("sleep 60 & wait"), MaxSession: 50 * time.Millisecond}
	h := open(t, svc, launcher.Limits{})
	if got := h.visit(""); got != "" { // both have the connection: it ends with the last
		t.Errorf("got %q", got)
	}
	h.waitFor(journal.Noted) // why; that it has ended may be heard before
	if s := h.status(); s.Signal() != syscall.SIGTERM {
		t.Errorf("ended by %v", s)
	}
}

// One that does not listen to SIGTERM is killed.
func TestMaxSessionKill(t *testing.T) {
	svc := &launcher.Service{Name: "t", Program: shell("trap '' TERM; while :; do sleep 1; done"), MaxSession: 50 * time.Millisecond}
	h := open(t, svc, launcher.Limits{})
	h.visit("")
	if s := h.status(); s.Signal() != syscall.SIGKILL {
		t.Errorf("ended by %v", s)
	}
}
