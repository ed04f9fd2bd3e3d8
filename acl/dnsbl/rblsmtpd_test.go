package dnsbl_test

import (
	"fmt"
	"strings"
	"testing"

	"doorward/acl"
	"doorward/acl/dnsbl"

	"pgregory.net/rapid"
)

// steps reads a command line such as "-b -r rbl -a white".
func steps(line string) (ss dnsbl.Rblsmtpd) {
	words := strings.Fields(line)
	for i := 0; i < len(words); i++ {
		s := dnsbl.Step{Op: dnsbl.Op(words[i][1])}
		if s.Op == dnsbl.Block || s.Op == dnsbl.Allow {
			i++
			s.Base = words[i]
		}
		ss = append(ss, s)
	}
	return ss
}

var conformanceZone = answers{
	"TXT rbl":     "\nListed",
	"TXT multi":   "\nfirst textsecond",
	"TXT long":    "\n" + strings.Repeat("x", 250),
	"TXT odd":     "\ncaf\xc3\xa9 \x01\ttab",
	"TXT empty":   "\n",
	"TXT sf":      "fail",
	"TXT unknown": "unknown",
	"A white":     "127.0.0.2",
	"A asf":       "fail",
	"A rbl":       "127.0.0.2",
}

func TestRblsmtpdActsOnItsOptionsInOrder(t *testing.T) {
	tests := []struct{ line, want, asked string }{
		{"", "pass", "[]"},
		{"-r rbl", "4 Listed", "[TXT rbl]"},
		{"-b -r rbl", "5 Listed", "[TXT rbl]"},
		{"-r rbl -b", "4 Listed", "[TXT rbl]"}, // -b comes too late
		{"-b -B -r rbl", "4 Listed", "[TXT rbl]"},
		{"-r none -b -r rbl", "5 Listed", "[TXT none TXT rbl]"},
		{"-r white", "pass", "[TXT white]"}, // an A record is not a listing
		{"-r multi", "4 first textsecond", "[TXT multi]"},
		{"-r long", "4 " + strings.Repeat("x", 200), "[TXT long]"},
		{"-r odd", "4 caf?? ??tab", "[TXT odd]"},
		{"-r empty", "pass", "[TXT empty]"},
		{"-a white -r rbl", "pass", "[A white]"},
		{"-a none -r rbl", "4 Listed", "[A none TXT rbl]"},
		{"-r rbl -a white", "4 Listed", "[TXT rbl]"},
		{"-r sf", "pass", "[TXT sf]"},
		{"-C -r sf", "pass", "[TXT sf]"},
		{"-c -r sf", "4 temporary RBL lookup error", "[TXT sf]"},
		{"-c -C -r sf", "pass", "[TXT sf]"},
		{"-b -c -r sf", "4 temporary RBL lookup error", "[TXT sf]"},
		{"-r sf -c", "pass", "[TXT sf]"},
		{"-b -r sf -r rbl", "4 Listed", "[TXT sf TXT rbl]"}, // after a failure nothing is for good
		{"-b -r unknown -r rbl", "4 Listed", "[TXT unknown TXT rbl]"},
		{"-a asf -r rbl", "pass", "[A asf]"},
		{"-c -a asf -r rbl", "4 Listed", "[A asf TXT rbl]"},
		{"-b -c -a asf -r rbl", "4 Listed", "[A asf TXT rbl]"},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) {
			asked := []string{}
			r := client(conformanceZone)
			r.Ask = func(f acl.Fact) acl.Answer { asked = append(asked, f.Arg); return conformanceZone.ask(f) }
			if got := code(steps(tt.line).Decide(r)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if got := fmt.Sprint(asked); got != tt.asked {
				t.Errorf("asked %s, want %s", got, tt.asked)
			}
		})
	}
}

func TestRblsmtpdNeverRefusesForGoodAfterAFailure(t *testing.T) {
	words := []string{"-b", "-B", "-c", "-C", "-r rbl", "-r none", "-r sf", "-a none", "-a asf", "-r unknown"}
	rapid.Check(t, func(t *rapid.T) {
		line := strings.Join(rapid.SliceOfN(rapid.SampledFrom(words), 0, 8).Draw(t, "options"), " ")
		failed := false
		r := client(conformanceZone)
		r.Ask = func(f acl.Fact) acl.Answer {
			a := conformanceZone.ask(f)
			failed = failed || a.Status == acl.Failed || a.Status == acl.Unknown
			return a
		}
		d := steps(line).Decide(r)
		if d.Verdict == acl.Deny && failed && !d.Reply.Temporary {
			t.Fatalf("%s: %+v", line, d)
		}
		if d.Verdict == acl.Deny && d.Reply.Text == "" {
			t.Fatalf("%s: refused without a text", line)
		}
	})
}

// A step with codes is read as Lists reads it.
func TestRblsmtpdWithCodes(t *testing.T) {
	tests := []struct{ answer, want, why string }{
		{"127.0.0.2\nlisted", "5 listed", "a code that counts"},
		{"127.0.0.2", "5 listed by zen.example", "without a text"},
		{"127.0.0.9\nlisted", "pass", "another code"},
		{"127.255.255.254\nquery refused", "pass", "a list that refuses the question"},
		{"fail", "pass", "a failure"},
	}
	zones, err := dnsbl.ParseZones(acl.Pos{}, "zen.example=127.0.0.[2..4]")
	if err != nil {
		t.Fatal(err)
	}
	steps := dnsbl.Rblsmtpd{{Op: dnsbl.ForGood}, {Op: dnsbl.Block, Zone: &zones[0]}}
	for _, tt := range tests {
		if got := code(steps.Decide(client(answers{"zen.example": tt.answer}))); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.why, got, tt.want)
		}
	}
	allow := dnsbl.Rblsmtpd{{Op: dnsbl.Allow, Zone: &zones[0]}, {Op: dnsbl.Block, Base: "rbl"}}
	for answer, want := range map[string]string{"127.0.0.2": "pass", "127.0.0.9": "4 Listed", "127.255.255.254": "pass"} {
		if got := code(allow.Decide(client(answers{"zen.example": answer, "TXT rbl": "\nListed"}))); got != want {
			t.Errorf("allow by %s: got %q, want %q", answer, got, want)
		}
	}
}
