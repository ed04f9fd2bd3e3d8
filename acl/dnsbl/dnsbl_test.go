package dnsbl_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"doorward/acl"
	"doorward/acl/dnsbl"

	"pgregory.net/rapid"
)

var pos = acl.Pos{File: "smtp.conf", Line: 3}

// lists parses block and allow lists and fails the test if they are wrong.
func lists(t testing.TB, block, allow string) *dnsbl.Lists {
	t.Helper()
	b, err1 := dnsbl.ParseZones(pos, block)
	a, err2 := dnsbl.ParseAllow(pos, allow)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	return &dnsbl.Lists{Zones: append(b, a...)}
}

// answers is what the lists say, by fact argument. "fail" is a failure, and
// whatever is not there is Absent.
type answers map[string]string

func (as answers) ask(f acl.Fact) acl.Answer {
	text, ok := as[f.Arg]
	switch {
	case f.Kind != acl.Listed || !ok:
		return acl.Answer{Status: acl.Absent}
	case text == "fail":
		return acl.Answer{Status: acl.Failed}
	case text == "unknown":
		return acl.Answer{}
	}
	return acl.Answer{Status: acl.Found, Text: text}
}

func client(as answers, env ...acl.Setenv) *acl.Request {
	return &acl.Request{Remote: netip.MustParseAddrPort("192.0.2.7:40001"), Env: env, Ask: as.ask}
}

func code(d acl.Decision) string {
	switch {
	case d.Verdict != acl.Deny:
		return d.Verdict.String()
	case d.Reply.Temporary:
		return "4 " + d.Reply.Text
	}
	return "5 " + d.Reply.Text
}

func TestListsDecide(t *testing.T) {
	tests := []struct {
		block, allow string
		threshold    int
		answers      answers
		want         string
		why          string
	}{
		{"", "", 0, nil, "pass", "no lists, nobody refused"},
		{"a.example", "", 0, nil, "pass", "not listed"},
		{"a.example", "", 0, answers{"a.example": "127.0.0.2\nbecause"}, "5 because", "listed, with a text"},
		{"a.example", "", 0, answers{"a.example": "127.0.0.2"}, "5 192.0.2.7 is listed by a.example", "listed, without a text"},
		{"a.example", "", 0, answers{"a.example": "127.0.0.2\na\r\n250 ok"}, "5 a??250 ok", "a text stays on its line"},
		{"a.example", "", 0, answers{"a.example": "127.0.0.2 127.0.0.4\nx"}, "5 x", "two codes"},
		{"a.example", "", 0, answers{"a.example": "fail"}, "pass", "a dead list lists nobody"},
		{"a.example", "", 0, answers{"a.example": "unknown"}, "pass", "nor does one not asked"},
		{"a.example", "", 0, answers{"a.example": "127.0.0.1\nx"}, "pass", "127.0.0.1 is no listing"},
		{"a.example=127.0.0.1", "", 0, answers{"a.example": "127.0.0.1\nx"}, "5 x", "unless it is named"},
		{"a.example", "", 0, answers{"a.example": "127.255.255.254\npublic resolver"}, "pass", "a query refused is no listing"},
		{"a.example=127.[0..255].[0..255].[0..255]", "", 0, answers{"a.example": "127.255.255.254\nx"}, "pass", "not even where the codes would have it"},
		{"a.example", "", 0, answers{"a.example": "127.0.0.2 127.255.255.255\nx"}, "pass", "nor beside a code"},
		{"a.example", "", 0, answers{"a.example": "203.0.113.80\nx"}, "pass", "a resolver's advertisement is no listing"},
		{"a.example", "", 0, answers{"a.example": "\nx"}, "pass", "a text without an address is no listing"},
		{"a.example=127.0.0.[2..11]", "", 0, answers{"a.example": "127.0.0.12\nx"}, "pass", "another code"},
		{"a.example=127.0.0.[2..11]", "", 0, answers{"a.example": "127.0.0.11\nx"}, "5 x", "the last of a range"},
		{"a.example b.example", "", 2, answers{"a.example": "127.0.0.2\nx"}, "pass", "below the threshold"},
		{"a.example b.example*2", "", 2, answers{"a.example": "127.0.0.2\nx", "b.example": "127.0.0.2\ny"}, "5 y", "the heaviest list speaks"},
		{"a.example, b.example", "", 2, answers{"a.example": "127.0.0.2\nx", "b.example": "127.0.0.2\ny"}, "5 x", "of equals the first"},
		{"a.example", "w.example", 0, answers{"a.example": "127.0.0.2\nx", "w.example": "127.0.5.1"}, "pass", "an allow list outweighs"},
		{"a.example*3", "w.example", 0, answers{"a.example": "127.0.0.2\nx", "w.example": "127.0.5.1"}, "5 x", "or does not"},
		{"a.example w.example*-1", "", 0, answers{"a.example": "127.0.0.2\nx", "w.example": "127.0.5.1"}, "pass", "an allow list as postscreen has it"},
		{"a.example", "w.example", 0, answers{"a.example": "127.0.0.2\nx", "w.example": "127.0.10.3"}, "4 x", "over quota allows nobody, yet leaves a doubt"},
		{"a.example", "w.example", 0, answers{"a.example": "127.0.0.2\nx", "w.example": "127.0.0.255"}, "4 x", "so does the other code"},
		{"a.example", "w.example", 0, answers{"a.example": "127.0.0.2\nx", "w.example": "fail"}, "4 x", "so does a failure"},
		{"a.example*2", "w.example", 0, answers{"a.example": "127.0.0.2\nx", "w.example": "fail"}, "5 x", "not where it could change nothing"},
		{"a.example", "w.example", 0, answers{"a.example": "127.0.0.2\nx"}, "5 x", "an allow list that does not have the client leaves none"},
		{"w.example*-1 a.example b.example", "", 0, answers{"w.example": "fail", "a.example": "127.0.0.2\nx", "b.example": "127.0.0.2"}, "5 x", "more block lists remove a doubt"},
		{"a.example b.example", "", 0, answers{"a.example": "fail", "b.example": "127.0.0.2\nx"}, "5 x", "a failed block list could not help either"},
		{"z.example=127.0.0.2*2 z.example=127.0.0.3", "", 3, answers{"z.example": "127.0.0.2 127.0.0.3\nx"}, "5 x", "one list, two codes, two weights"},
		{"A.Example.", "", 0, answers{"a.example": "127.0.0.2\nx"}, "5 x", "names in one spelling"},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			l := lists(t, tt.block, tt.allow)
			l.Threshold = tt.threshold
			if got := code(l.Decide(client(tt.answers))); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestListsSayWhyAListDoesNotCount(t *testing.T) {
	as := answers{"a.example": "127.255.255.254", "b.example": "fail", "c.example": "203.0.113.80"}
	d := lists(t, "a.example b.example c.example", "").Decide(client(as))
	want := []string{
		"a.example: the list refuses our questions (127.255.255.254)",
		"b.example: no answer",
		"c.example: not a list's answer (203.0.113.80)",
	}
	if len(d.Notes) != len(want) {
		t.Fatalf("notes %v", d.Notes)
	}
	for i := range want {
		if d.Notes[i].Text != want[i] || d.Notes[i].Pos != pos {
			t.Errorf("note %v, want %q", d.Notes[i], want[i])
		}
	}
}

// A verdict that is certain costs no further question.
func TestListsAskNoMoreThanTheyNeed(t *testing.T) {
	tests := []struct {
		block, allow string
		answers      answers
		want         string
	}{
		{"a.example b.example", "", answers{"a.example": "127.0.0.2"}, "[a.example]"},
		{"a.example b.example", "", nil, "[a.example b.example]"},
		{"a.example*2 b.example", "w.example", answers{"a.example": "127.0.0.2"}, "[a.example]"},
		{"a.example b.example", "w.example", answers{"a.example": "127.0.0.2"}, "[a.example b.example w.example]"},
		{"a.example", "w.example", nil, "[a.example]"}, // nothing left to outweigh
	}
	for _, tt := range tests {
		var asked []string
		r := client(tt.answers)
		r.Ask = func(f acl.Fact) acl.Answer { asked = append(asked, f.Arg); return tt.answers.ask(f) }
		lists(t, tt.block, tt.allow).Decide(r)
		if got := fmt.Sprint(asked); got != tt.want {
			t.Errorf("%s / %s with %v asked %s, want %s", tt.block, tt.allow, tt.answers, got, tt.want)
		}
	}
}

func TestActions(t *testing.T) {
	as := answers{"a.example": "127.0.0.4\nlisted\x07here"}
	l := lists(t, "a.example*2", "")

	l.Action = dnsbl.Tag
	d := l.Decide(client(as))
	want := []acl.Setenv{{Name: "RBLSMTPD", Value: "-listed?here"}, {Name: "DNSBL_RESULT", Value: "a.example=127.0.0.4*2"}}
	if d.Verdict != acl.Pass || fmt.Sprint(d.Env) != fmt.Sprint(want) {
		t.Errorf("tag: %v %v, want pass with %v", d.Verdict, d.Env, want)
	}

	l.Action, l.Temporary = dnsbl.Tag, true
	if d := l.Decide(client(as)); d.Env[0].Value != "listed?here" {
		t.Errorf("tag for now: RBLSMTPD=%q", d.Env[0].Value)
	}

	l.Action = dnsbl.Log
	d = l.Decide(client(as))
	if d.Verdict != acl.Pass || len(d.Env) != 0 || len(d.Notes) != 1 || d.Notes[0].Text != "would refuse: a.example=127.0.0.4*2: listed?here" {
		t.Errorf("log: %+v", d)
	}

	for _, a := range []string{"refuse", "tag", "log"} {
		if _, err := dnsbl.ParseAction(a); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
	if _, err := dnsbl.ParseAction("drop"); err == nil {
		t.Error("drop is no action")
	}
}

func TestRBLSMTPDSpeaksBeforeTheLists(t *testing.T) {
	set := func(v string) acl.Setenv { return acl.Setenv{Name: "RBLSMTPD", Value: v} }
	listed := answers{"a.example": "127.0.0.2\nx", "TXT a.example": "\nx"}
	long := strings.Repeat("m", 500)
	tests := []struct {
		env       []acl.Setenv
		want      string // by Lists
		wantRblsm string // by Rblsmtpd
	}{
		{nil, "5 x", "4 x"},
		{[]acl.Setenv{set("")}, "pass", "pass"},
		{[]acl.Setenv{set("go away")}, "4 go away", "4 go away"},
		{[]acl.Setenv{set("-go away")}, "5 go away", "5 go away"},
		{[]acl.Setenv{set("--go")}, "5 -go", "5 -go"},
		{[]acl.Setenv{set("a\nb\xc3\xa9")}, "4 a?b??", "4 a?b??"},
		{[]acl.Setenv{set(long)}, "4 " + long[:400], "4 " + long[:200]},
		{[]acl.Setenv{set("x"), {Name: "RBLSMTPD", Unset: true}}, "5 x", "4 x"},
	}
	for _, tt := range tests {
		if got := code(lists(t, "a.example", "").Decide(client(listed, tt.env...))); got != tt.want {
			t.Errorf("%v: Lists say %q, want %q", tt.env, got, tt.want)
		}
		steps := dnsbl.Rblsmtpd{{Op: dnsbl.Block, Base: "a.example"}}
		if got := code(steps.Decide(client(listed, tt.env...))); got != tt.wantRblsm {
			t.Errorf("%v: Rblsmtpd says %q, want %q", tt.env, got, tt.wantRblsm)
		}
	}
}

func TestRBLSMTPDIsLeftToTheDaemonByTagAndLog(t *testing.T) {
	l := lists(t, "a.example", "")
	for _, l.Action = range []dnsbl.Action{dnsbl.Tag, dnsbl.Log} {
		r := client(nil, acl.Setenv{Name: "RBLSMTPD", Value: "no"})
		r.Ask = func(f acl.Fact) acl.Answer { t.Errorf("asked for %v", f); return acl.Answer{} }
		if d := l.Decide(r); d.Verdict != acl.Pass || len(d.Env) > 0 {
			t.Errorf("action %v: %+v", l.Action, d)
		}
	}
}

func TestCheckFindsAThresholdOutOfReach(t *testing.T) {
	l := lists(t, "a.example b.example*2", "w.example*5")
	for l.Threshold = -1; l.Threshold < 6; l.Threshold++ {
		if err := l.Check(); (err == nil) != (l.Threshold >= 0 && l.Threshold <= 3) {
			t.Errorf("threshold %d: %v", l.Threshold, err)
		}
	}
}

// anyAnswer draws what a list, a broken list or a hostile one may say.
func anyAnswer(t *rapid.T, label string) acl.Answer {
	if rapid.Bool().Draw(t, label+" lists it") {
		return acl.Answer{Status: acl.Found, Text: "127.0.0.2\nreason"}
	}
	status := rapid.SampledFrom([]acl.Status{acl.Unknown, acl.Found, acl.Found, acl.Absent, acl.Failed}).Draw(t, label)
	if status != acl.Found {
		return acl.Answer{Status: status}
	}
	codes := rapid.SliceOfN(rapid.SampledFrom([]string{
		"127.0.0.2", "127.0.0.3", "127.0.0.1", "127.255.255.254", "127.0.10.3", "127.0.0.255", "192.0.2.1", "::1", "nonsense", "",
	}), 0, 3).Draw(t, label)
	text := rapid.SampledFrom([]string{"", "\n", "\nreason", "\n\r\n250 ok\r\n", "\n" + strings.Repeat("\xff", 600)}).Draw(t, label)
	return acl.Answer{Status: acl.Found, Text: strings.Join(codes, " ") + text}
}

var zoneNames = []string{"a.example", "b.example", "c.example", "w.example", "v.example"}

func anyLists(t *rapid.T) (*dnsbl.Lists, map[string]acl.Answer) {
	l := &dnsbl.Lists{Threshold: rapid.IntRange(1, 4).Draw(t, "threshold"), Temporary: rapid.Bool().Draw(t, "temporary")}
	as := map[string]acl.Answer{}
	for _, name := range zoneNames[:rapid.IntRange(0, len(zoneNames)).Draw(t, "lists")] {
		l.Zones = append(l.Zones, dnsbl.Zone{Name: name, Weight: rapid.IntRange(-3, 3).Draw(t, name)})
		as[name] = anyAnswer(t, name)
	}
	return l, as
}

// oracle is Decide without its shortcuts: it asks every list and adds up.
func oracle(l *dnsbl.Lists, as map[string]acl.Answer) (refused, certain bool) {
	score, worst := 0, 0
	for i := range l.Zones {
		z := &l.Zones[i]
		o := z.Judge(as[z.Name])
		if o.Listed {
			score += z.Weight
		} else if !o.Heard {
			worst += min(z.Weight, 0)
		}
	}
	return score >= l.Threshold, score+worst >= l.Threshold
}

func TestListsAgreeWithTheSum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, as := anyLists(t)
		d := l.Decide(&acl.Request{
			Remote: netip.MustParseAddrPort("[2001:db8::7]:1"),
			Ask:    func(f acl.Fact) acl.Answer { return as[f.Arg] },
		})
		refused, certain := oracle(l, as)
		if (d.Verdict == acl.Deny) != refused {
			t.Fatalf("%v with sum %v", d.Verdict, refused)
		}
		if d.Verdict == acl.Deny && d.Reply.Temporary != (l.Temporary || !certain) {
			t.Fatalf("temporary %v, certain %v", d.Reply.Temporary, certain)
		}
		if d.Verdict == acl.Allow {
			t.Fatal("a DNS list let somebody in")
		}
	})
}

func TestNobodyIsRefusedWithoutAnAcceptedCode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, as := anyLists(t)
		d := l.Decide(&acl.Request{
			Remote: netip.MustParseAddrPort("192.0.2.7:1"),
			Ask:    func(f acl.Fact) acl.Answer { return as[f.Arg] },
		})
		if d.Verdict != acl.Deny {
			return
		}
		a := as[d.Rule.File] // zones without a place are named by themselves
		addrs, _, _ := strings.Cut(a.Text, "\n")
		accepted := 0
		for _, word := range strings.Fields(addrs) {
			switch word {
			case "127.0.0.2", "127.0.0.3", "127.0.0.255", "127.0.10.3":
				accepted++
			case "127.0.0.1":
			default:
				t.Fatalf("refused by %v in spite of %s", d.Rule, word)
			}
		}
		if a.Status != acl.Found || accepted == 0 {
			t.Fatalf("refused by %v for %q", d.Rule, a.Text)
		}
		if len(d.Reply.Text) > dnsbl.MaxReply || strings.ContainsFunc(d.Reply.Text, func(c rune) bool { return c < ' ' || c > '~' }) {
			t.Fatalf("reply %q", d.Reply.Text)
		}
	})
}

// Whoever asks all lists at once may stop at Settled: the verdict is then the
// one that all answers together give.
func TestSettledMeansDecided(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, as := anyLists(t)
		known := map[string]acl.Answer{}
		for name, a := range as {
			if rapid.Bool().Draw(t, "known "+name) {
				known[name] = a
			}
		}
		if !l.Settled(func(zone string) (acl.Answer, bool) { a, ok := known[zone]; return a, ok }) {
			return
		}
		some := l.Decide(&acl.Request{Remote: netip.MustParseAddrPort("192.0.2.7:1"), Ask: func(f acl.Fact) acl.Answer { return known[f.Arg] }})
		refused, _ := oracle(l, as)
		if (some.Verdict == acl.Deny) != refused {
			t.Fatalf("settled as %v, all answers say %v", some.Verdict, refused)
		}
	})
}

func BenchmarkDecide(b *testing.B) {
	l := lists(b, "a.example b.example c.example=127.0.0.[2..11] d.example", "w.example")
	l.Threshold = 3
	as := answers{"a.example": "127.0.0.2\nx", "b.example": "127.0.0.2\ny"}
	b.ReportAllocs()
	for b.Loop() {
		l.Decide(client(as))
	}
}
