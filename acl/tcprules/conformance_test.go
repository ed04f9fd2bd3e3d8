package tcprules_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"doorward/acl"
	"doorward/acl/tcprules"
)

// recorded is a case with what Debian's tcprules and tcprulescheck made of it.
type recorded struct {
	ID, Rules      string
	IP, Host, Info *string // nil: not set
	Expect         expectation
}

type expectation struct {
	Decision string
	Rule     *string // the key that was found
	Env      map[string]string
	EnvList  [][2]string `json:"env_list"` // where a name occurs twice
	Message  string
	Line     int
}

// corpus reads the recorded cases; DOORWARD_CONFORMANCE names another directory.
func corpus(tb testing.TB) (cases []recorded) {
	tb.Helper()
	dir := "testdata/conformance"
	if d := os.Getenv("DOORWARD_CONFORMANCE"); d != "" {
		dir = d
	}
	f, err := os.Open(filepath.Join(dir, "tcprules.jsonl"))
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var c recorded
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			tb.Fatalf("%s:%d: %v", f.Name(), len(cases)+1, err)
		}
		cases = append(cases, c)
	}
	if err := lines.Err(); err != nil {
		tb.Fatal(err)
	}
	return cases
}

// ip is the address tcprulescheck takes the client for.
func (c *recorded) ip() string {
	if c.IP == nil {
		return "0.0.0.0"
	}
	return *c.IP
}

// request knows the name and the user of the case and nothing else.
func (c *recorded) request() *acl.Request {
	var q acl.Request
	for k, s := range map[acl.Kind]*string{acl.Name: c.Host, acl.Ident: c.Info} {
		if s != nil {
			q.Learn(k, "", acl.Answer{Status: acl.Found, Text: *s})
		}
	}
	return &q
}

// The original is asked about prefixes in bits too, and knows nothing of them;
// hence Literal. Texts without them must mean the same either way.
func TestConformance(t *testing.T) {
	passed, design := 0, 0
	cases := corpus(t)
	for _, c := range cases {
		if t.Run(c.ID, func(t *testing.T) { c.check(t) }) {
			passed++
		}
		if c.Expect.Decision == "hang" {
			design++
		}
	}
	fmt.Printf("conformance tcprules: %d of %d (%d by design)\n", passed, len(cases), design)
}

func (c *recorded) check(t *testing.T) {
	rules, err := tcprules.Parse("rules", c.Rules)
	if c.Expect.Decision == "hang" || c.Expect.Decision == "error" {
		c.checkError(t, err)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := tcprules.FromCDB("rules.cdb", rules.CDB())
	if err != nil {
		t.Fatal(err)
	}
	c.checkDecision(t, rules.Literal())
	c.checkDecision(t, compiled.Literal())
	if !rules.HasPrefixes() {
		c.checkDecision(t, rules)
		c.checkDecision(t, compiled)
	}
}

// checkError wants the message of the original, or, where the original never
// ends, any with file and line.
func (c *recorded) checkError(t *testing.T, err error) {
	t.Helper()
	var bad *acl.SyntaxError
	if !errors.As(err, &bad) {
		t.Fatalf("error %v, want a syntax error", err)
	}
	if c.Expect.Decision == "hang" {
		if bad.Pos.File != "rules" || bad.Pos.Line == 0 {
			t.Errorf("error at %v", bad.Pos)
		}
		return
	}
	if got := "tcprules: fatal: unable to parse this line: " + bad.Text; got != c.Expect.Message {
		t.Errorf("message %q, want %q", got, c.Expect.Message)
	}
	if bad.Pos.Line != c.Expect.Line {
		t.Errorf("line %d, want %d", bad.Pos.Line, c.Expect.Line)
	}
}

func (c *recorded) checkDecision(t *testing.T, rules *tcprules.Rules) {
	t.Helper()
	key, d, ok := rules.Lookup(c.ip(), c.request())
	verdict := map[string]acl.Verdict{"allow": acl.Allow, "deny": acl.Deny, "default": acl.Pass}[c.Expect.Decision]
	if d.Verdict != verdict || ok != (c.Expect.Rule != nil) || ok && key != *c.Expect.Rule {
		t.Errorf("%v by %q (%v), want %v", d.Verdict, key, ok, c.Expect.Decision)
	}
	want := c.Expect.EnvList
	if want == nil {
		for name, value := range c.Expect.Env {
			want = append(want, [2]string{name, value})
		}
	}
	var got [][2]string
	for _, v := range d.Env {
		got = append(got, [2]string{v.Name, v.Value})
	}
	if c.Expect.EnvList == nil { // a map has no order
		byName := func(a, b [2]string) int { return strings.Compare(a[0], b[0]) }
		slices.SortFunc(want, byName)
		slices.SortFunc(got, byName)
	}
	if !slices.Equal(got, want) {
		t.Errorf("environment %q, want %q", got, want)
	}
}
