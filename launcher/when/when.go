// Package when says at which times, and under which load, a service takes
// clients. It is apart from package launcher for programs that serve one
// client each and need not link what serves many.
package when

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// A Condition says whether a service takes clients at the time now. An error
// is the reason why it does not; the client is turned away before anything is
// found out about it.
type Condition func(now time.Time) error

// What a Condition turns a client away for.
var (
	ErrTime = errors.New("not at this time of day")
	ErrLoad = errors.New("the machine is too busy")
)

// An Interval is a part of the day in the local time of the clock it is
// compared with, from one minute since midnight to another. Both are in it, as
// in xinetd's access_times.
type Interval struct{ From, To int }

// During is a service that is open in the intervals and at no other time. It
// does not end sessions.
func During(intervals []Interval) Condition {
	return func(now time.Time) error {
		minute := 60*now.Hour() + now.Minute()
		for _, i := range intervals {
			if i.From <= minute && minute <= i.To {
				return nil
			}
		}
		return ErrTime
	}
}

// LoadBelow is a service that is open while the load of the machine is below
// limit (xinetd's max_load). Where load fails it is closed: who set a limit
// does not want to find out how much the machine can take.
func LoadBelow(limit float64, load func() (float64, error)) Condition {
	return func(time.Time) error {
		now, err := load()
		switch {
		case err != nil:
			return fmt.Errorf("%w: %v", ErrLoad, err)
		case now >= limit:
			return fmt.Errorf("%w: load %.2f, and the limit is %g", ErrLoad, now, limit)
		}
		return nil
	}
}

// SystemLoad returns the load of the last minute, the first number in
// /proc/loadavg. It asks sysinfo(2), since a hardened unit may not have that
// file (ProcSubset=pid).
func SystemLoad() (float64, error) {
	var info unix.Sysinfo_t
	err := unix.Sysinfo(&info)
	const one = 1 << 16 // loads are fixed-point numbers
	return float64(info.Loads[0]) / one, err
}

// Open returns the first reason why a service with these conditions takes no
// clients at the time now.
func Open(conditions []Condition, now time.Time) error {
	for _, c := range conditions {
		if err := c(now); err != nil {
			return err
		}
	}
	return nil
}
