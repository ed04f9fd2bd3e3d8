package launcher_test

import (
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"doorward/acl"
	"doorward/launcher"
	"doorward/launcher/builtin"
	"doorward/launcher/journal"
)

// A service without a program is behind the same rules, and the journal has
// its beginning, its end, and what went wrong.
func TestHandler(t *testing.T) {
	hello := func(c builtin.Stream) error {
		io.WriteString(c, "hello")
		return errors.New("a server is down")
	}
	h := open(t, &launcher.Service{Name: "t", Handler: hello}, launcher.Limits{})
	if got := h.visit(""); got != "hello" {
		t.Errorf("got %q", got)
	}
	h.waitFor(journal.Ended)
	if e := h.events[len(h.events)-1]; e.PID != 0 || e.Err == nil || h.kinds()[0] != journal.Started {
		t.Errorf("%v, %+v", h.kinds(), e)
	}

	deny := fixed(acl.Decision{Verdict: acl.Deny})
	h = open(t, &launcher.Service{Name: "t", Handler: hello, Policy: deny}, launcher.Limits{})
	if got := h.visit(""); got != "" {
		t.Errorf("kept out, got %q", got)
	}
}

// A rule's command takes the place of what has no program, too.
func TestHandlerTwist(t *testing.T) {
	twist := fixed(acl.Decision{Options: []acl.Option{{Key: "twist", Value: "echo twisted"}}})
	h := open(t, &launcher.Service{Name: "t", Handler: builtin.Small("echo", time.Now), Policy: twist}, launcher.Limits{})
	if got := h.visit(""); got != "twisted\n" {
		t.Errorf("got %q", got)
	}
}

// max_session ends what has no program, too.
func TestHandlerMaxSession(t *testing.T) {
	h := open(t, &launcher.Service{Name: "t", Handler: builtin.Small("echo", time.Now), MaxSession: 50 * time.Millisecond}, launcher.Limits{})
	c := h.dial()
	defer c.Close()
	if b, err := io.ReadAll(c); len(b) > 0 || err != nil {
		t.Errorf("got %q, %v", b, err)
	}
	h.waitFor(journal.Ended)
	if slices.Contains(h.kinds(), journal.Failed) {
		t.Error(h.kinds())
	}
}
