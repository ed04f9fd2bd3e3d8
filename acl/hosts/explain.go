package hosts

import "doorward/acl"

// A Trace is a decision and how it came about.
type Trace struct {
	Decision acl.Decision
	Steps    []Step      // the rules that were looked at, in order
	Options  []Processed // of the rule that matched, up to the first that is wrong
}

// A Step is one rule that was looked at.
type Step struct {
	Rule    acl.Pos
	Text    string // the rule as written, in one line
	Matched bool
	Why     string     // in words; ends without a full stop
	Asked   []acl.Fact // what had to be found out for it
}

// Explain decides as Decide does, and says why. It looks at every rule in turn,
// and so takes longer.
func (a Access) Explain(r *acl.Request) *Trace {
	trace := new(Trace)
	before := r.At
	s := newSubject(r)
	trace.Decision = a.decide(&s, trace)
	trace.Decision.Notes = s.notes
	r.At = before
	return trace
}

// option returns where to report options to, or nil.
func (trace *Trace) option() func(Processed) {
	if trace == nil {
		return nil
	}
	return func(p Processed) { trace.Options = append(trace.Options, p) }
}

// traced is scan with a report.
func (t *Rules) traced(s *subject, v acl.Verdict, trace *Trace) *rule {
	for i := range t.rules {
		ru := &t.rules[i]
		asked := countAsked(s.r)
		step := Step{Rule: t.pos(ru), Text: t.text(ru)}
		t.enter(ru, s, v)
		step.Matched, step.Why = ru.why(s)
		step.Asked = askedSince(s.r, asked)
		trace.Steps = append(trace.Steps, step)
		if step.Matched {
			return ru
		}
	}
	return nil
}

// why evaluates ru as matches does and says what came of it. Evaluating a list
// a second time asks for nothing new.
func (ru *rule) why(s *subject) (matched bool, text string) {
	if !ru.daemons.match(s) {
		return false, why("daemon", ru.daemons.why(s))
	}
	if !ru.clients.match(s) {
		return false, why("client", ru.clients.why(s))
	}
	return true, "daemon is in " + ru.daemons.why(s) + "; client is in " + ru.clients.why(s)
}

func why(who, groups string) string {
	if groups == "" {
		return who + " is not in the list"
	}
	return who + " is in " + groups
}

func countAsked(r *acl.Request) int {
	n := 0
	for range r.Asked {
		n++
	}
	return n
}

func askedSince(r *acl.Request, n int) []acl.Fact {
	var facts []acl.Fact
	for f := range r.Asked {
		if n--; n < 0 {
			facts = append(facts, f)
		}
	}
	return facts
}
