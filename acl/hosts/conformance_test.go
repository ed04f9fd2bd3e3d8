package hosts

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"doorward/acl"
)

// A conformance case is a question and what the original answered; the README
// beside the corpus has the format.
type conformanceCase struct {
	ID, Tag, Daemon           string
	Server, Client            endpoint
	Allow, Deny               *string
	AllowSpecial, DenySpecial string `json:"-"`
	Files                     map[string]string
	Netgroup                  string
	Expect                    struct {
		Access      string
		MatchedFile string `json:"matched_file"`
		Line        *int
		Options     [][2]string
	}
	Warnings [][4]any
	Quirks   []string
}

type endpoint struct {
	Addr, Name, User string
	Port             uint16
}

func (c *conformanceCase) UnmarshalJSON(b []byte) error {
	type plain conformanceCase
	var special struct {
		Allow string `json:"allow_special"`
		Deny  string `json:"deny_special"`
	}
	err := errors.Join(json.Unmarshal(b, (*plain)(c)), json.Unmarshal(b, &special))
	c.AllowSpecial, c.DenySpecial = special.Allow, special.Deny
	return err
}

// conformanceCases reads the corpus, from DOORWARD_CONFORMANCE if that is set.
func conformanceCases(t testing.TB) []conformanceCase {
	dir := os.Getenv("DOORWARD_CONFORMANCE")
	if dir == "" {
		dir = "../../testdata/conformance"
	}
	f, err := os.Open(filepath.Join(dir, "hosts_access.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var cs []conformanceCase
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var c conformanceCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		cs = append(cs, c)
	}
	if err := lines.Err(); err != nil || len(cs) == 0 {
		t.Fatalf("%d cases, %v", len(cs), err)
	}
	return cs
}

// access compiles the tables of the case.
func (c *conformanceCase) access(legacy compat) Access {
	table := func(name string, src *string, special string) *Rules {
		switch {
		case special == "loop":
			return Unreadable(name, errors.New("Too many levels of symbolic links"))
		case special == "directory" || src == nil:
			return nil
		}
		t, _ := parse(name, *src, c.read, legacy)
		return t
	}
	return Access{
		Allow: table("hosts.allow", c.Allow, c.AllowSpecial),
		Deny:  table("hosts.deny", c.Deny, c.DenySpecial),
	}
}

func (c *conformanceCase) read(name string) (string, error) {
	switch text, ok := c.Files[name]; {
	case !ok || text == "@DIRECTORY@":
		return "", ErrNoFile
	case text == "@LOOP@":
		return "", errors.New("Too many levels of symbolic links")
	default:
		return text, nil
	}
}

// request is the client of the case. Names are known beforehand, as they are to
// tcpdmatch.
func (c *conformanceCase) request() *acl.Request {
	r := &acl.Request{Daemon: c.Daemon, Ask: c.ask}
	r.Remote, r.Mapped = addrPort(c.Client)
	r.Local, _ = addrPort(c.Server)
	r.Get(acl.Name, "")
	r.Get(acl.LocalName, "")
	r.Get(acl.Ident, "")
	return r
}

// addrPort reads an address; one that begins as libwrap recognizes it is an
// IPv4 address that came through a dual-stack socket.
func addrPort(e endpoint) (netip.AddrPort, bool) {
	a, _ := netip.ParseAddr(e.Addr)
	mapped := strings.HasPrefix(lower(e.Addr), "::ffff:") && strings.Contains(e.Addr, ".")
	if mapped {
		a = a.Unmap()
	}
	return netip.AddrPortFrom(a, e.Port), mapped
}

func (c *conformanceCase) ask(f acl.Fact) acl.Answer {
	switch f.Kind {
	case acl.Name:
		return nameAnswer(c.Client.Name)
	case acl.LocalName:
		return nameAnswer(c.Server.Name)
	case acl.Ident:
		return nameAnswer(c.Client.User)
	case acl.Netgroup:
		group, host, _ := strings.Cut(f.Arg, " ")
		if inNetgroup(c.Netgroup, group, host, 0) {
			return acl.Answer{Status: acl.Found}
		}
	}
	return acl.Answer{}
}

func nameAnswer(name string) acl.Answer {
	switch name {
	case "", "unknown":
		return acl.Answer{}
	case "paranoid":
		return acl.Answer{Status: acl.Forged}
	}
	return acl.Answer{Status: acl.Found, Text: name}
}

// inNetgroup does what innetgr(3) does with the host of (host,user,domain).
func inNetgroup(text, group, host string, depth int) bool {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] != group || depth > 9 {
			continue
		}
		for _, w := range words[1:] {
			member, triple := strings.CutPrefix(w, "(")
			member, _, _ = strings.Cut(member, ",")
			if triple && (member == "" || strings.EqualFold(member, host)) || !triple && inNetgroup(text, w, host, depth+1) {
				return true
			}
		}
	}
	return false
}

// differs is empty if we say what the original said.
func (c *conformanceCase) differs(legacy compat) string {
	a, r, trace := c.access(legacy), c.request(), new(Trace)
	s := newSubject(r)
	odd := c.oddAddress(&s)
	trace.Decision = a.decide(&s, trace)
	trace.Decision.Notes = s.notes
	if got, want := c.got(trace), c.want(); got != want {
		return "got  " + got + "\nwant " + want
	}
	if d := a.Decide(c.request()); !odd && (d.Verdict != trace.Decision.Verdict || d.Rule != trace.Decision.Rule) {
		return fmt.Sprintf("Decide: %v, Explain: %v", d, trace.Decision)
	}
	return ""
}

// oddAddress has the client's address compared as it was typed. tcpdmatch can
// be asked about forms that no socket's address takes, such as 2001:db8:0::1.
func (c *conformanceCase) oddAddress(s *subject) bool {
	if s.client.addr.IsValid() && !s.r.Mapped && s.client.addrText() != lower(c.Client.Addr) {
		s.client.text = lower(c.Client.Addr)
		return true
	}
	return false
}

// got is our answer in the words of the corpus.
func (c *conformanceCase) got(trace *Trace) string {
	got := fmt.Sprintf("%s by %s line %d options %q errors %q", accessWord(trace), fileWord(trace),
		trace.Decision.Rule.Line, pairs(trace.Options), errorTexts(trace))
	if !strings.Contains(c.Server.Addr, ":") { // a pair no socket has: the client's address mapped, this one not
		got = strings.ReplaceAll(got, "::ffff:"+c.Server.Addr, c.Server.Addr)
	}
	return got
}

func (c *conformanceCase) want() string {
	line := 0
	if c.Expect.Line != nil {
		line = *c.Expect.Line
	}
	options, texts := []string{}, []string{}
	for _, o := range c.Expect.Options {
		options = append(options, o[0]+"="+o[1])
	}
	for _, w := range c.Warnings {
		if w[0] == "error" {
			texts = append(texts, w[3].(string))
		}
	}
	return fmt.Sprintf("%s by %s line %d options %q errors %q", c.Expect.Access, c.Expect.MatchedFile, line, options, texts)
}

func accessWord(trace *Trace) string {
	d := trace.Decision
	switch {
	case slices.ContainsFunc(d.Options, func(o acl.Option) bool { return o.Key == "twist" }):
		return "delegated"
	case d.Verdict == acl.Deny:
		return "denied"
	}
	return "granted"
}

func fileWord(trace *Trace) string {
	if trace.Decision.Rule.Line == 0 {
		return "none"
	}
	return trace.Decision.Rule.File
}

func pairs(os []Processed) []string {
	ps := []string{}
	for _, o := range os {
		ps = append(ps, o.Key+"="+o.Value)
	}
	return ps
}

func errorTexts(trace *Trace) []string {
	texts := []string{}
	for _, n := range trace.Decision.Notes {
		if n.Err {
			texts = append(texts, n.Text)
		}
	}
	return texts
}

// legacyFor undoes exactly the differences that the codes of a case are about.
func legacyFor(codes []string) (legacy compat, any bool) {
	for _, code := range codes {
		switch code {
		case "USER-OPT":
			legacy.nobody = func(user string) bool { return strings.HasPrefix(user, "nosuch") }
		case "NONL":
			legacy.noNewline = true
		case "LONGLINE":
			legacy.longLine = true
		case "V6-BADLEN":
			legacy.v6BadLen = true
		case "WILD-NUMERIC":
			legacy.wildNumeric = true
		default:
			continue
		}
		any = true
	}
	return legacy, any
}

// Every answer is that of the original, or differs for a reason that is written
// down: then undoing that difference, and nothing else, gives the answer of the
// original.
func TestConformance(t *testing.T) {
	cs := conformanceCases(t)
	same, byDesign := 0, 0
	for i := range cs {
		c := &cs[i]
		diff := c.differs(compat{})
		if diff == "" {
			same++
			continue
		}
		legacy, any := legacyFor(c.Quirks)
		if legacyDiff := c.differs(legacy); any && legacyDiff == "" {
			byDesign++
		} else {
			t.Errorf("%s %s %v\n%s\nwith these differences undone:\n%s", c.ID, c.Tag, c.Quirks, diff, legacyDiff)
		}
	}
	fmt.Printf("conformance hosts: %d of %d (%d by design)\n", same+byDesign, len(cs), byDesign)
}
