package launcher

import (
	"net/netip"
	"sync"
	"time"

	"doorward/acl"
)

// Sensors keep clients out of every service that they have given away by
// connecting to one nobody has a reason to (xinetd's flags = SENSOR and
// deny_time). A client is an IPv4 address or an IPv6 /64, which is what one
// machine can choose from. The zero Sensors have met nobody.
type Sensors struct {
	mu   sync.Mutex
	seen map[netip.Addr]sighting
}

type sighting struct {
	until time.Time // zero: for good
	rule  acl.Pos
}

// maxSeen bounds the memory that visitors can take up. When it is full, and
// nobody's time is over, there is no room for further ones.
const maxSeen = 1 << 16

// Forever as a time to be kept out is as long as the process lives.
const Forever time.Duration = 1<<63 - 1

// Add keeps a client out from now on for that long, by the rule that says so.
// It reports false if there is no room.
func (s *Sensors) Add(a netip.Addr, rule acl.Pos, now time.Time, d time.Duration) bool {
	key := (&Limits{}).source(a)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = make(map[netip.Addr]sighting)
	}
	if _, known := s.seen[key]; !known && len(s.seen) >= maxSeen {
		s.forget(now)
		if len(s.seen) >= maxSeen {
			return false
		}
	}
	v := sighting{rule: rule}
	if d != Forever {
		v.until = now.Add(d)
	}
	s.seen[key] = v
	return true
}

// forget drops those whose time is over.
func (s *Sensors) forget(now time.Time) {
	for a, v := range s.seen {
		if v.over(now) {
			delete(s.seen, a)
		}
	}
}

func (v sighting) over(now time.Time) bool { return !v.until.IsZero() && !now.Before(v.until) }

// Policy denies the clients that are to be kept out at the time that now
// tells, and passes everybody else.
func (s *Sensors) Policy(now func() time.Time) acl.Policy {
	return acl.Func(func(r *acl.Request) acl.Decision {
		if !r.Remote.IsValid() {
			return acl.Decision{}
		}
		key := (&Limits{}).source(r.Remote.Addr())
		s.mu.Lock()
		defer s.mu.Unlock()
		v, known := s.seen[key]
		switch {
		case !known:
			return acl.Decision{}
		case v.over(now()):
			delete(s.seen, key)
			return acl.Decision{}
		}
		return acl.Decision{Verdict: acl.Deny, Rule: v.rule}
	})
}
