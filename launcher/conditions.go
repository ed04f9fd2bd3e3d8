package launcher

import (
	"time"

	"doorward/launcher/when"
)

// A Condition says whether a service takes clients at the time now.
type Condition = when.Condition

// What a Condition turns a client away for.
var (
	ErrTime = when.ErrTime
	ErrLoad = when.ErrLoad
)

// An Interval is a part of the day.
type Interval = when.Interval

// During is a service that is open in the intervals and at no other time. It
// does not end sessions.
func During(intervals []Interval) Condition { return when.During(intervals) }

// LoadBelow is a service that is open while the load of the machine is below
// limit (xinetd's max_load).
func LoadBelow(limit float64, load func() (float64, error)) Condition {
	return when.LoadBelow(limit, load)
}

// SystemLoad returns the load of the last minute.
func SystemLoad() (float64, error) { return when.SystemLoad() }

// open returns the first reason why the service takes no clients.
func (s *Service) open(now time.Time) error { return when.Open(s.Conditions, now) }
