// Package rate has a rate of connections as people write it. It is apart from
// package launcher, which enforces it, for those who only read configurations.
package rate

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Rate is how often one source may come: Count times at once, and after that
// each time that Period/Count has passed. The zero Rate is no limit.
type Rate struct {
	Count  int
	Period time.Duration
}

// Parse reads N/PERIOD, where a period is a unit (s, m, h) or a duration
// of package time: 10/s, 100/5m.
func Parse(s string) (Rate, error) {
	number, period, _ := strings.Cut(s, "/")
	n, err := strconv.Atoi(number)
	if period == "s" || period == "m" || period == "h" {
		period = "1" + period
	}
	d, derr := time.ParseDuration(period)
	if err != nil || derr != nil || n <= 0 || n > 1e6 || d <= 0 || d > 24*time.Hour || strings.Trim(number, "0123456789") != "" {
		return Rate{}, fmt.Errorf("%q: want a number and a period up to 24h, such as 10/s or 100/5m", s)
	}
	return Rate{n, d}, nil
}
