package rate_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"doorward/launcher/rate"
)

func TestParse(t *testing.T) {
	tests := []struct {
		text string
		want rate.Rate // zero: refused
	}{
		{"10/s", rate.Rate{Count: 10, Period: time.Second}},
		{"1/m", rate.Rate{Count: 1, Period: time.Minute}},
		{"007/h", rate.Rate{Count: 7, Period: time.Hour}},
		{"100/5m", rate.Rate{Count: 100, Period: 5 * time.Minute}},
		{"3/1h30m", rate.Rate{Count: 3, Period: 90 * time.Minute}},
		{"1000000/24h", rate.Rate{Count: 1e6, Period: 24 * time.Hour}},

		{"", rate.Rate{}},
		{"10", rate.Rate{}},  // in how long?
		{"10/", rate.Rate{}}, // again
		{"/s", rate.Rate{}},
		{"0/s", rate.Rate{}}, // nobody at all: whoever wants that says disable
		{"-1/s", rate.Rate{}},
		{"+1/s", rate.Rate{}},
		{"1.5/s", rate.Rate{}},
		{"0x10/s", rate.Rate{}},
		{"1_0/s", rate.Rate{}},
		{"1000001/s", rate.Rate{}},
		{"99999999999999999999/s", rate.Rate{}},
		{"1/d", rate.Rate{}}, // not a unit of package time
		{"1/24h1ns", rate.Rate{}},
		{"1/0s", rate.Rate{}}, // a division by nothing, later on
		{"1/-5s", rate.Rate{}},
		{"1/5", rate.Rate{}}, // of what?
		{" 1/s", rate.Rate{}},
		{"1/s ", rate.Rate{}},
		{"1/s/s", rate.Rate{}},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			got, err := rate.Parse(tt.text)
			if got != tt.want || (err != nil) != (tt.want == rate.Rate{}) {
				t.Errorf("got %v, %v, want %v", got, err, tt.want)
			}
			if err != nil && !strings.HasPrefix(err.Error(), fmt.Sprintf("%q: want ", tt.text)) {
				t.Errorf("the error does not say what was wrong: %v", err)
			}
		})
	}
}

// Whatever may be asked for can be written, and is read as it was meant.
func TestParseReadsWhatIsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rate.Rate{
			Count:  rapid.IntRange(1, 1e6).Draw(t, "count"),
			Period: time.Duration(rapid.Int64Range(1, int64(24*time.Hour)).Draw(t, "period")),
		}
		if got, err := rate.Parse(fmt.Sprintf("%d/%v", want.Count, want.Period)); got != want || err != nil {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
	})
}

// No rate that is read divides by nothing, or adds up to more than a time can
// hold.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"10/s", "100/5m", "1/h", "", "0/s", "1/0s", "1/-5s", "+1/s", "9999999/s", "1/48h", "1/1e9s", "1/.5s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := rate.Parse(s)
		if err != nil {
			if r != (rate.Rate{}) {
				t.Errorf("%q: got %v beside %v", s, r, err)
			}
			return
		}
		if r.Count < 1 || r.Count > 1e6 || r.Period <= 0 || r.Period > 24*time.Hour {
			t.Errorf("%q: got %v", s, r)
		}
	})
}
