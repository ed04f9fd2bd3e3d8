package when_test

import (
	"errors"
	"testing"
	"time"

	"doorward/launcher/when"
)

// Both ends of an interval are in it, to the end of the last minute, in the
// time of the clock's own zone.
func TestDuring(t *testing.T) {
	open := when.During([]when.Interval{{From: 0, To: 8*60 + 30}, {From: 20 * 60, To: 23*60 + 59}})
	zone := time.FixedZone("", 2*3600)
	for clock, want := range map[string]bool{
		"00:00:00": true, "08:30:59": true, "08:31:00": false, "19:59:59": false, "20:00:00": true, "23:59:59": true,
	} {
		now, err := time.ParseInLocation(time.TimeOnly, clock, zone)
		if err != nil {
			t.Fatal(err)
		}
		if got := open(now); errors.Is(got, when.ErrTime) == want {
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
		c := when.LoadBelow(2.5, func() (float64, error) { return tt.load, tt.err })
		if err := c(time.Now()); errors.Is(err, when.ErrLoad) == tt.want {
			t.Errorf("load %v, %v: %v", tt.load, tt.err, err)
		}
	}
	if load, err := when.SystemLoad(); err != nil || load < 0 {
		t.Errorf("load of this machine: %v, %v", load, err)
	}
}
