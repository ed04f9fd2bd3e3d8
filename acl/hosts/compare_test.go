package hosts

import (
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"doorward/acl"
)

// compareCases is how many questions tcpdmatch is asked, and compareTime how
// long it may take to answer them.
const (
	compareCases = 300
	compareTime  = time.Minute
)

// TestCompareTcpdmatch asks the installed tcpdmatch about tables made at random.
// Unlike the recorded cases these are new ones, but the same every time.
func TestCompareTcpdmatch(t *testing.T) {
	if os.Getenv("DOORWARD_COMPARE") != "1" {
		t.Skip("needs DOORWARD_COMPARE=1 and tcpdmatch(8)")
	}
	tcpdmatch, err := exec.LookPath("tcpdmatch")
	if err != nil {
		t.Skip("needs tcpdmatch(8)")
	}
	g := generator{rand.New(rand.NewPCG(1, 2)), t.TempDir()}
	g.writePatternFiles(t)
	same, byDesign := 0, 0
	for end := time.Now().Add(compareTime); same+byDesign < compareCases && time.Now().Before(end) && !t.Failed(); {
		q := g.question()
		want := q.askOriginal(t, tcpdmatch)
		legacy := compat{noNewline: true, longLine: true, v6BadLen: true, wildNumeric: true}
		switch {
		case q.ask(compat{}) == want:
			same++
		case q.ask(legacy) == want:
			byDesign++
		default:
			t.Errorf("tcpdmatch %s %s@%s: got %s, want %s\nhosts.allow:\n%shosts.deny:\n%s", q.daemon, q.user, q.addr, q.ask(compat{}), want, q.allow, q.deny)
		}
	}
	t.Logf("%d answers the same, %d different by design", same, byDesign)
}

type generator struct {
	*rand.Rand
	dir string
}

// A question is what tcpdmatch takes: two tables, a daemon and a client.
type question struct {
	dir, allow, deny   string
	daemon, user, addr string
}

func (g generator) pick(from []string) string { return from[g.IntN(len(from))] }

// writePatternFiles makes those of patternFiles that end; the original follows a
// file that includes itself until it runs out of descriptors.
func (g generator) writePatternFiles(t *testing.T) {
	for name, text := range patternFiles {
		text = strings.ReplaceAll(strings.ReplaceAll(text, "/mixed ", ""), "/nets ", g.dir+"/nets ")
		if err := os.WriteFile(filepath.Join(g.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func (g generator) question() question {
	return question{
		dir: g.dir, allow: g.table(), deny: g.table(),
		daemon: g.pick([]string{"smtp", "imap", "in.ftpd"}), user: g.pick([]string{"joe", "unknown"}),
		addr: g.pick([]string{"192.0.2.1", "192.0.2.200", "198.51.100.7", "2001:db8::1", "2001:db8:0:1::1", "::ffff:192.0.2.1", "fe80::1%lo", "unknown", "paranoid"}),
	}
}

func (g generator) table() string {
	var b strings.Builder
	for range g.IntN(8) {
		b.WriteString(g.list(daemonWords) + " : " + g.list(clientWords) + g.pick([]string{"", "", "", " : allow", " : deny", " : bogus", " : twist echo %c", ":"}))
		if g.IntN(40) > 0 { // else two lines become one
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func (g generator) list(from []string) string {
	var ws []string
	for range 1 + g.IntN(5) {
		w := g.pick(from)
		if w[0] == '/' {
			w = g.dir + w
		}
		if ws = append(ws, w); g.IntN(4) == 0 {
			ws = append(ws, "EXCEPT")
		}
	}
	return strings.Join(ws, g.pick([]string{" ", ",", ", "}))
}

// askOriginal returns the word after "access:".
func (q question) askOriginal(t *testing.T, tcpdmatch string) string {
	for name, text := range map[string]string{"hosts.allow": q.allow, "hosts.deny": q.deny} {
		if err := os.WriteFile(filepath.Join(q.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	client := q.addr
	if q.user != "unknown" {
		client = q.user + "@" + q.addr
	}
	cmd := exec.Command(tcpdmatch, "-d", q.daemon, client)
	cmd.Dir = q.dir
	out, err := cmd.CombinedOutput()
	_, access, ok := strings.Cut(string(out), "access:")
	if err != nil || !ok {
		t.Fatalf("tcpdmatch: %v, %q", err, out)
	}
	return strings.TrimSpace(access)
}

func (q question) ask(legacy compat) string {
	read := func(name string) (string, error) {
		b, err := os.ReadFile(name)
		if err != nil {
			err = ErrNoFile
		}
		return string(b), err
	}
	allow, _ := parse("hosts.allow", q.allow, read, legacy)
	deny, _ := parse("hosts.deny", q.deny, read, legacy)
	client := endpoint{Addr: q.addr}
	r := &acl.Request{Daemon: q.daemon, Ask: func(f acl.Fact) acl.Answer {
		switch {
		case f.Kind == acl.Ident:
			return nameAnswer(q.user)
		case f.Kind == acl.Name && q.addr == "paranoid":
			return acl.Answer{Status: acl.Forged}
		}
		return acl.Answer{}
	}}
	if _, err := netip.ParseAddr(q.addr); err == nil {
		r.Remote, r.Mapped = addrPort(client)
	}
	return accessWord(Access{allow, deny}.Explain(r))
}

// compareRuns is how often TestCompareParseTime runs either program; the
// fastest run is what counts, as others measure the rest of the machine.
const compareRuns = 40

// TestCompareParseTime parses ten thousand rules, and has tcpdmatch answer a
// question that the last of them decides, its start included.
func TestCompareParseTime(t *testing.T) {
	if os.Getenv("DOORWARD_COMPARE") != "1" {
		t.Skip("needs DOORWARD_COMPARE=1 and tcpdmatch(8)")
	}
	tcpdmatch, err := exec.LookPath("tcpdmatch")
	if err != nil {
		t.Skip("needs tcpdmatch(8)")
	}
	src := tableOfNets(10000)
	q := question{dir: t.TempDir(), allow: src, daemon: "smtp", user: "unknown", addr: lastAddress(src)}
	if got := q.askOriginal(t, tcpdmatch); got != "granted" {
		t.Fatalf("tcpdmatch: %s", got)
	}
	theirs, ours := time.Hour, time.Hour
	for range compareRuns {
		cmd := exec.Command(tcpdmatch, "-d", q.daemon, q.addr)
		cmd.Dir = q.dir
		theirs = min(theirs, timed(func() { err = cmd.Run() }))
		if err != nil {
			t.Fatal(err)
		}
		ours = min(ours, timed(func() { _, err = Parse("hosts.allow", src, nil) }))
		if err != nil {
			t.Fatal(err)
		}
	}
	ratio := float64(ours) / float64(theirs)
	t.Logf("parse %v, tcpdmatch %v: ratio %.2f", ours, theirs, ratio)
	if ratio > 2 {
		t.Errorf("Parse takes %.1f times as long as tcpdmatch", ratio)
	}
}

// lastAddress returns the client of the last rule of a table.
func lastAddress(src string) string {
	return src[strings.LastIndexByte(src, ' ')+1 : len(src)-1]
}

func timed(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}
