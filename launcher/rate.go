package launcher

import (
	"net/netip"
	"time"

	"doorward/launcher/rate"
)

// A Rate is how often one source may come.
type Rate = rate.Rate

// ParseRate reads N/PERIOD, such as 10/s or 100/5m.
func ParseRate(s string) (Rate, error) { return rate.Parse(s) }

// The prefixes that are one source: what one customer has.
const (
	defaultPrefixV4 = 32
	defaultPrefixV6 = 64
)

// source returns the address that stands for all addresses of a's prefix.
func (l *Limits) source(a netip.Addr) netip.Addr {
	bits := l.PrefixV6
	if a.Is4() {
		bits = l.PrefixV4
	}
	if bits == 0 && a.Is4() {
		bits = defaultPrefixV4
	} else if bits == 0 {
		bits = defaultPrefixV6
	}
	p, err := a.WithZone("").Prefix(bits)
	if err != nil {
		return a // a prefix longer than the address, or no address
	}
	return p.Addr()
}

// maxRated is how many sources each of the two maps of a meter remembers.
const maxRated = 1 << 15

// A meter holds sources to a rate: the token bucket as the generic cell rate
// algorithm has it (ITU-T I.371), in which all that is to be remembered of a
// source is when it will have its whole allowance back.
//
// Whoever has it back need not be remembered. So there are two maps; once a
// period, or when the young one is full, it becomes the old one, and the old
// one is forgotten. Under a flood of more sources than fit, the sources that
// came longest ago get their allowance back early: memory is bounded, and
// nobody is turned away for what others do.
type meter struct {
	young, old map[netip.Addr]time.Time
	turned     time.Time // when young became young
}

// take reports whether a source may come now, and if so counts it.
func (m *meter) take(r Rate, a netip.Addr, now time.Time) bool {
	m.turn(r, now)
	back, known := m.young[a]
	if !known {
		back = m.old[a]
	}
	// Two periods ahead is by another rate or another clock. One is not enough to
	// say so: others have looked at the clock since now.
	if back.Before(now) || back.Sub(now) > 2*r.Period {
		back = now
	}
	back = back.Add(r.Period / time.Duration(r.Count))
	if back.Sub(now) > r.Period {
		return false
	}
	m.young[a] = back
	return true
}

func (m *meter) turn(r Rate, now time.Time) {
	if m.young != nil && len(m.young) < maxRated && now.Sub(m.turned) < r.Period {
		return
	}
	m.young, m.old, m.turned = make(map[netip.Addr]time.Time), m.young, now
}
