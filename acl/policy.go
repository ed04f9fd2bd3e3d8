package acl

// A Policy decides about requests. It must be safe for use by several
// goroutines at once, and must not do I/O other than through r.Ask.
type Policy interface {
	Decide(r *Request) Decision
}

// Func is a function as a Policy.
type Func func(*Request) Decision

func (f Func) Decide(r *Request) Decision { return f(r) }

// All asks several policies in order. The first Deny decides. Environment,
// options and notes gather, and each policy sees in Request.Env what the ones
// before it set, as a program in a chain would. The rule reported is the one
// that denied, else the last that allowed. The zero All passes everything.
type All []Policy

func (ps All) Decide(r *Request) Decision {
	if len(ps) == 1 {
		return ps[0].Decide(r) // nothing to gather, nothing to allocate
	}
	before := r.Env
	defer func() { r.Env = before }()

	var sum Decision
	for _, p := range ps {
		d := p.Decide(r)
		sum.add(d)
		if d.Verdict == Deny {
			break
		}
		if len(d.Env) > 0 {
			r.Env = append(r.Env[:len(r.Env):len(r.Env)], d.Env...)
		}
	}
	return sum
}

// add gathers d, the decision of a later policy, into sum.
func (sum *Decision) add(d Decision) {
	if d.Verdict != Pass {
		sum.Verdict, sum.Rule, sum.Reply = d.Verdict, d.Rule, d.Reply
	}
	offset := len(sum.Env)
	sum.Env = append(sum.Env[:offset:offset], d.Env...)
	for _, o := range d.Options {
		o.Env += offset
		sum.Options = append(sum.Options[:len(sum.Options):len(sum.Options)], o)
	}
	sum.Notes = append(sum.Notes[:len(sum.Notes):len(sum.Notes)], d.Notes...)
}
