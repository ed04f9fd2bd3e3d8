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
)

// Both ends of an interval are in it, to the end of the last minute, in the
// time of the clock's own zone.
func TestDuring(t *testing.T) {
	open := launcher.During([]launcher.Interval{{From: 0, To: 8*60 + 30}, {From: 20 * 60, To: 23*60 + 59}})
	zone := time.FixedZone("", 2*3600)
	for clock, want := range map[string]bool{
		"00:00:00": true, "08:30:59": true, "08:31:00": false, "19:59:59": false, "20:00:00": true, "23:59:59": true,
	} {
		now, err := time.ParseInLocation(time.TimeOnly, clock, zone)
		if err != nil {
			t.Fatal(err)
		}
		if got := open(now); errors.Is(got, launcher.ErrTime) == want {
			t.Errorf("%s: %v, want open: %v", clock, got, want)
		}
	}
}

// A service is closed at the limit, and where nobody knows the load.
func TestLoadBelow(t *testing.T) {
	tests := []struct {
		load float64
		err  error
		want bool
	}{
		{2.49, nil, true},
		{2.5, nil, false},
		{0, errors.New("no such file"), false},
	}
	for _, tt := range tests {
		c := launcher.LoadBelow(2.5, func() (float64, error) { return tt.load, tt.err })
		if err := c(time.Now()); errors.Is(err, launcher.ErrLoad) == tt.want {
			t.Errorf("load %v, %v: %v", tt.load, tt.err, err)
		}
	}
	if load, err := launcher.SystemLoad(); err != nil || load < 0 {
		t.Errorf("load of this machine: %v, %v", load, err)
	}
}

// A closed service costs no process, and the journal hears why.
func TestClosed(t *testing.T) {
	svc := &launcher.Service{Name: "t", Program: shell("echo in"), Conditions: []launcher.Condition{launcher.During(nil)}}
	h := open(t, svc, launcher.Limits{})
	if c, err := net.Dial("tcp", h.addr); err == nil { // the reset may be faster than the dial
		defer c.Close()
		if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil {
			t.Error("somebody answered")
		}
	}
	h.waitFor(journal.Refused)
	if e := h.events[0]; !errors.Is(e.Err, launcher.ErrTime) {
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
