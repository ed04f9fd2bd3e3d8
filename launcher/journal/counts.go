package journal

import "sync"

// Counts keeps numbers of what happened, by service. The zero Counts is ready
// for use.
type Counts struct {
	mu sync.Mutex
	by map[Key]Count
}

// A Count is what happened to the connections of one service since the start.
type Count struct {
	Running int // programs that run now
	Started int
	Denied  int
	Refused int
	Failed  int
}

// Sink counts events.
func (c *Counts) Sink(e Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.by[e.Key()]
	switch e.Kind {
	case Started, Replaced:
		n.Started++
		n.Running++
	case Ended:
		n.Running--
	case Denied:
		n.Denied++
	case Refused:
		n.Refused++
	case Failed:
		n.Failed++
	default:
		return
	}
	if c.by == nil {
		c.by = make(map[Key]Count)
	}
	c.by[e.Key()] = n
}

// Of returns what happened to the connections of a service.
func (c *Counts) Of(service Key) Count {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.by[service]
}

// Total returns the sum over all services.
func (c *Counts) Total() Count {
	c.mu.Lock()
	defer c.mu.Unlock()
	var sum Count
	for _, n := range c.by {
		sum.Running += n.Running
		sum.Started += n.Started
		sum.Denied += n.Denied
		sum.Refused += n.Refused
		sum.Failed += n.Failed
	}
	return sum
}
