package launcher_test

import (
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"doorward/acl"
	"doorward/launcher"
	"doorward/launcher/journal"
	"doorward/launcher/sock"
)

// A generation is a house whose server can be stopped and handed over.
type generation struct {
	house
	server launcher.Server
	stop   func()
}

func generate(t *testing.T, svc *launcher.Service, limits launcher.Limits) *generation {
	t.Helper()
	g := &generation{house: house{t: t}}
	l, err := sock.Listen(sock.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0")})
	if err != nil {
		t.Fatal(err)
	}
	g.addr, g.server.Journal = l.Addr().String(), g.hear
	g.port.Set(svc)
	g.port.Gate.Set(limits)
	ctx, cancel := context.WithCancel(context.Background())
	accepting := make(chan error)
	go func() { accepting <- g.server.Accept(ctx, l, &g.port) }()
	g.stop = sync.OnceFunc(func() { cancel(); <-accepting; l.Close() })
	t.Cleanup(g.stop)
	return g
}

// through is what becomes of a session on its way to another program.
func through(t *testing.T, s launcher.Session) launcher.Session {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var got launcher.Session
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return got
}

// asks lets everybody in once it has found out who they are.
var asks = acl.Func(func(r *acl.Request) acl.Decision { r.Get(acl.Name, ""); return acl.Decision{} })

// slowly finds facts out: it says when somebody has asked, and waits for the
// answer.
func slowly(asked chan<- bool, answer <-chan bool) func(*acl.Request) {
	return func(r *acl.Request) {
		r.Ask = func(acl.Fact) acl.Answer { asked <- true; <-answer; return acl.Answer{} }
	}
}

// What runs is waited for by the successor, as if it had started it; what has
// been accepted and not decided about is decided about there; and the
// predecessor does neither.
func TestSuccession(t *testing.T) {
	deciding := make(chan bool)
	undecided := make(chan bool)
	old := generate(t, &launcher.Service{Name: "t", Program: shell("read line; exit 7"),
		Policy: asks, Attach: slowly(deciding, undecided)}, launcher.Limits{})
	running := old.dial()
	<-deciding
	undecided <- true
	old.waitFor(journal.Started)
	waiting := old.dial()
	<-deciding
	old.stop()

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	sessions, lost := old.server.Freeze(ctx)
	if len(sessions) != 2 || lost != 0 {
		t.Fatalf("got %d sessions, lost %d", len(sessions), lost)
	}
	undecided <- true // too late: the predecessor does nothing any more

	next := generate(t, &launcher.Service{Name: "t", Program: shell("echo served; exit 8")}, launcher.Limits{Max: 1})
	for _, s := range sessions {
		s = through(t, s)
		s.Port = &next.port
		next.server.Adopt(s)
	}
	if n, _ := next.port.Gate.Running(); n == 0 {
		t.Error("adopted sessions are not counted")
	}
	b := make([]byte, 100)
	waiting.SetDeadline(time.Now().Add(10 * time.Second))
	if n, err := waiting.Read(b); string(b[:n]) != "served\n" {
		t.Errorf("who waited got %q, %v", b[:n], err)
	}
	running.Close()
	if err := next.server.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	var exits []int
	for _, e := range next.events {
		if e.Kind == journal.Ended {
			exits = append(exits, e.Status.ExitStatus())
			if e.Err != nil || !e.Remote.IsValid() || e.Duration <= 0 {
				t.Errorf("got %+v", e)
			}
		}
	}
	slices.Sort(exits)
	if !slices.Equal(exits, []int{7, 8}) {
		t.Errorf("exit status %v", exits)
	}
	if slices.Contains(old.kinds(), journal.Ended) {
		t.Error("the predecessor saw something end")
	}
	if n, _ := next.port.Gate.Running(); n != 0 {
		t.Errorf("%d are left in", n)
	}
}

// Where nobody succeeds, everything goes on.
func TestThaw(t *testing.T) {
	deciding, undecided := make(chan bool), make(chan bool)
	h := generate(t, &launcher.Service{Name: "t", Program: shell("echo served"),
		Policy: asks, Attach: slowly(deciding, undecided)}, launcher.Limits{})
	c := h.dial()
	<-deciding
	h.server.Freeze(t.Context())
	undecided <- true
	time.Sleep(20 * time.Millisecond)
	if slices.Contains(h.kinds(), journal.Started) {
		t.Error("started in the cold")
	}
	h.server.Thaw()
	b := make([]byte, 100)
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if n, err := c.Read(b); string(b[:n]) != "served\n" {
		t.Errorf("got %q, %v", b[:n], err)
	}
	h.waitFor(journal.Ended)
}

// What ended while nobody did anything is told of afterwards.
func TestThawOfWhatEnded(t *testing.T) {
	h := generate(t, &launcher.Service{Name: "t", Program: shell("read line")}, launcher.Limits{})
	c := h.dial()
	h.waitFor(journal.Started)
	sessions, _ := h.server.Freeze(t.Context())
	c.Close()
	time.Sleep(50 * time.Millisecond)
	if len(sessions) != 1 || slices.Contains(h.kinds(), journal.Ended) {
		t.Errorf("%d sessions; heard of %v", len(sessions), h.kinds())
	}
	h.server.Thaw()
	h.waitFor(journal.Ended)
}

// What cannot be handed over in time is not waited for: a successor does not
// keep everybody waiting for one.
func TestFreezeIsBounded(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "go")
	h := generate(t, &launcher.Service{Name: "t", Program: shell("echo served"), Policy: acl.Func(func(r *acl.Request) acl.Decision {
		return acl.Decision{Verdict: acl.Allow, Options: []acl.Option{{Key: "spawn", Value: "while ! [ -e " + fifo + " ]; do sleep 0.01; done"}}}
	})}, launcher.Limits{})
	h.dial()
	time.Sleep(100 * time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if sessions, lost := h.server.Freeze(ctx); len(sessions) != 0 || lost != 1 {
		t.Errorf("got %d sessions, lost %d", len(sessions), lost)
	}
	h.server.Thaw()
	if err := os.WriteFile(fifo, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h.waitFor(journal.Ended)
}

func TestSessionOutlivesAProcess(t *testing.T) {
	s := launcher.Session{Event: journal.Event{Kind: journal.Replaced, Time: time.Unix(1, 2), Service: "a\"b", Name: "x", PID: 3, Relay: true,
		Remote: netip.MustParseAddrPort("[fe80::1%eth0]:5"), Rule: acl.Pos{File: "f", Line: 2}, Notes: []acl.Note{{Text: "told"}}}}
	got := through(t, s).Event
	s.Event.Notes = nil
	if got.Remote != s.Event.Remote || got.Rule != s.Event.Rule || !got.Time.Equal(s.Event.Time) || got.Name != "x" || !got.Relay || got.Kind != journal.Replaced {
		t.Errorf("got %+v", got)
	}
}
