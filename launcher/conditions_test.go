package launcher_test

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"doorward/launcher"
	"doorward/launcher/journal"
	"doorward/launcher/when"
)

// A closed service costs no process, and the journal hears why.
func TestClosed(t *testing.T) {
	svc := &launcher.Service{Name: "t", Program: shell("echo in"), Conditions: []when.Condition{when.During(nil)}}
	h := open(t, svc, launcher.Limits{})
	if c, err := net.Dial("tcp", h.addr); err == nil { // the reset may be faster than the dial
		defer c.Close()
		if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil {
			t.Error("somebody answered")
		}
	}
	h.waitFor(journal.Refused)
	if e := h.events[0]; !errors.Is(e.Err, when.ErrTime) {
		t.Errorf("refused for %v", e.Err)
	}
}

// Too many in a second make the service take a break, of which the journal
// hears once; nobody is turned away, and those who wait are served after it.
func TestPace(t *testing.T) {
	svc := &launcher.Service{Name: "t", Program: shell("echo in"), Pace: launcher.Pace{Count: 3, Break: 400 * time.Millisecond}}
	h := open(t, svc, launcher.Limits{})
	began := time.Now()
	got := make(chan string)
	for range 6 {
		go func() { got <- h.visit("") }()
	}
	for i := range 6 {
		if s := <-got; s != "in\n" {
			t.Errorf("got %q", s)
		}
		if took := time.Since(began); i == 5 && took < 400*time.Millisecond {
			t.Errorf("the last one was served after %v", took)
		}
	}
	if n := len(slices.DeleteFunc(h.kinds(), func(k journal.Kind) bool { return k != journal.Noted })); n != 1 {
		t.Errorf("heard of %d breaks", n)
	}
	if text := fmt.Sprint(svc.Pace); !strings.Contains(text, "more than 3 connections in a second") {
		t.Error(text)
	}
}
