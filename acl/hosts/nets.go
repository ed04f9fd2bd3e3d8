package hosts

import (
	"net/netip"

	"doorward/acl/cidr"
)

// minSet is how many prefixes in a row are a set. Fewer are compared one by one.
const minSet = 8

// A set stands for a run of patterns that are prefixes.
type set struct {
	table    *cidr.Table[struct{}]
	patterns []pattern // nil for those of a pattern file
}

// plainNet reports whether p is a prefix and nothing but a prefix.
func (p *pattern) plainNet() bool { return p.op == opNet && !p.net.Contains(broadcast) }

// A netRun is a run of prefixes in a pattern file, which may have a million:
// they go where they will stay, without becoming patterns first.
type netRun struct {
	few  []netip.Prefix // while there are fewer than minSet
	many *cidr.Builder[struct{}]
}

func (r *netRun) add(p netip.Prefix) {
	switch {
	case r.many != nil:
		r.many.Add(p, struct{}{})
	case len(r.few) < minSet-1:
		r.few = append(r.few, p)
	default:
		r.many = new(cidr.Builder[struct{}])
		for _, p := range append(r.few, p) {
			r.many.Add(p, struct{}{})
		}
	}
}

// patterns returns one pattern for the run, or one for each prefix of a short
// run.
func (r *netRun) patterns() []pattern {
	if r.many != nil {
		return []pattern{setOf(r.many, nil)}
	}
	var ps []pattern
	for _, p := range r.few {
		ps = append(ps, pattern{op: opNet, net: p})
	}
	return ps
}

// newSet makes one pattern of patterns that are prefixes, and keeps them.
func newSet(ps []pattern) pattern {
	var b cidr.Builder[struct{}]
	for i := range ps {
		b.Add(ps[i].net, struct{}{})
	}
	return setOf(&b, ps)
}

func setOf(b *cidr.Builder[struct{}], ps []pattern) pattern {
	table, err := b.Table(1)
	if err != nil {
		panic(err) // the prefixes are valid: the compiler has made them
	}
	return pattern{op: opSet, text: "a net", set: &set{table, ps}}
}

// gatherTokens replaces runs of prefixes in a list by sets. The words stay with
// the set, for Explain and the index. If there are no runs it returns nil.
func (c *compiler) gatherTokens(ts []token) []token {
	if c.compat.plain || len(ts) < minSet || ts[0].daemon {
		return nil
	}
	var out []token
	for len(ts) > 0 {
		var run []pattern
		for len(run) < len(ts) && ts[len(run)].who == nil && ts[len(run)].host.plainNet() {
			run = append(run, ts[len(run)].host)
		}
		n := max(len(run), 1)
		if n < minSet {
			out = append(out, ts[:n]...)
		} else {
			out = append(out, token{text: "a net", host: newSet(run)})
		}
		ts = ts[n:]
	}
	return out
}
