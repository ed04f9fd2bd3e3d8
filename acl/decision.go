package acl

import "strconv"

// A Verdict is the answer of a policy. The zero Verdict is Pass.
type Verdict uint8

const (
	Pass  Verdict = iota // no rule of this policy speaks about the request
	Allow                // let it in
	Deny                 // keep it out
)

func (v Verdict) String() string {
	switch v {
	case Pass:
		return "pass"
	case Allow:
		return "allow"
	case Deny:
		return "deny"
	}
	return "verdict " + strconv.Itoa(int(v))
}

// A Decision is what a policy wants done about a request, as plain data: it
// can be printed, compared and carried out, and deciding it did nothing. The
// zero Decision passes.
//
// Slices of a Decision may be shared with the rules they came from: whoever
// wants to change one copies it.
type Decision struct {
	Verdict Verdict
	Env     []Setenv // environment to set, in rule order; the last setting of a name counts
	Options []Option // deeds, in rule order, already expanded
	Reply   Reply    // what to tell a refused client; zero: close without a word
	Rule    Pos      // the rule that said so; zero: no rule, the default
	Notes   []Note   // what whoever keeps the rules should hear about
}

// A Setenv is one change to the environment of the daemon.
type Setenv struct {
	Name, Value string
	Unset       bool // remove Name instead
}

// An Option is a deed a rule asks for, such as "spawn", "twist" or "nice":
// hosts_options(5) has the list. launcher/run carries them out.
type Option struct {
	Key   string // lower case
	Value string // after %-expansion; empty where the option takes none

	// Env is how many of the decision's Env come before the option in its
	// rule: a command run by it sees those and no later ones.
	Env int
}

// A Reply is what a refused client is told in its own protocol.
type Reply struct {
	Text      string // one line; empty: say nothing
	Temporary bool   // the client may try again later (SMTP: 451 instead of 553)
}

// A Note is something to tell whoever keeps the rules, found while deciding.
type Note struct {
	Pos  Pos
	Err  bool // an error rather than a warning
	Text string
}

// String returns "file:line: text", or the text alone where there is no place.
func (n Note) String() string {
	if n.Pos == (Pos{}) {
		return n.Text
	}
	return n.Pos.String() + ": " + n.Text
}

// A Pos is a place in a rule file. The zero Pos is no place.
type Pos struct {
	File string
	Line int // 1 is the first; 0: the file as a whole

	// Key names the rule in a file that has no lines, such as a constant
	// database. It is quoted, so that the rule of the empty key has a name.
	Key string
}

// String returns "file:line", "file" for the file as a whole, `file "key"` where
// there is a key, and "default" for no place.
func (p Pos) String() string {
	switch {
	case p == Pos{}:
		return "default"
	case p.Key != "":
		return p.File + " " + p.Key
	case p.Line == 0:
		return p.File
	}
	return p.File + ":" + strconv.Itoa(p.Line)
}

// A SyntaxError is one line of a rule file that could not be understood.
// Parsers read a file to its end and join the errors of all its lines.
type SyntaxError struct {
	Pos  Pos
	Text string // the offending word
	Err  error
}

func (e *SyntaxError) Error() string {
	return e.Pos.String() + ": " + strconv.Quote(e.Text) + ": " + e.Err.Error()
}

func (e *SyntaxError) Unwrap() error { return e.Err }
