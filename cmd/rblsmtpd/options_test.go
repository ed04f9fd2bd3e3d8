package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// shape returns options in one line: the steps, the time, the program.
func shape(o options) string {
	var b strings.Builder
	for _, s := range o.steps {
		fmt.Fprintf(&b, "-%c", s.Op)
		if s.Zone != nil {
			fmt.Fprintf(&b, "[%s %s %d]", s.Zone.Name, s.Zone.Codes, s.Zone.Weight)
		} else if s.Base != "" {
			fmt.Fprintf(&b, "[%s]", s.Base)
		}
		b.WriteByte(' ')
	}
	fmt.Fprintf(&b, "%v", o.timeout)
	if o.atOnce {
		b.WriteString(" at once")
	}
	return b.String() + ": " + strings.Join(o.program, " ")
}

func TestOptions(t *testing.T) {
	tests := []struct{ line, want, why string }{
		{"smtpd", "1m0s: smtpd", "no options"},
		{"smtpd -b", "1m0s: smtpd -b", "the program's own options"},
		{"-b -B -c -C smtpd", "-b -B -c -C 1m0s: smtpd", "letters"},
		{"-bBcC smtpd", "-b -B -c -C 1m0s: smtpd", "letters in one word"},
		{"-r rbl -b -a white -rrbl2 smtpd", "-r[rbl] -b -a[white] -r[rbl2] 1m0s: smtpd", "zones, in their order"},
		{"-bcrrbl smtpd", "-b -c -r[rbl] 1m0s: smtpd", "a zone behind letters"},
		{"-r -b smtpd", "-r[-b] 1m0s: smtpd", "a zone that looks like an option"},
		{"-t5 smtpd", "5s: smtpd", "a time"},
		{"-t 5 -t 7x smtpd", "7s: smtpd", "the last time, by its digits"},
		{"-t0 smtpd", "0s at once: smtpd", "no time"},
		{"-tx smtpd", "0s at once: smtpd", "a time without digits"},
		{"-t -1 smtpd", "0s at once: smtpd", "a negative time"},
		{"-t 99999999999999999999999 smtpd", time.Duration((1<<32-1)*time.Second).String() + ": smtpd", "a time beyond all bounds"},
		{"-b -- -r smtpd", "-b 1m0s: -r smtpd", "the end of options"},
		{"-b - -r smtpd", "-b 1m0s: -r smtpd", "a lone hyphen ends them too"},
		{"-b --help smtpd", "-b 1m0s: smtpd", "and so does what begins with two"},
		{"-r zen.example=127.0.0.[2..4] -a white=127.0.5.1 smtpd", "-r[zen.example 127.0.0.[2..4] 1] -a[white 127.0.5.1 -1] 1m0s: smtpd", "zones with codes"},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			o, err := parseOptions(strings.Fields(tt.line))
			if got := shape(o); got != tt.want || err != nil {
				t.Errorf("%s: got %q, %v; want %q", tt.line, got, err, tt.want)
			}
		})
	}
}

func TestOptionErrors(t *testing.T) {
	tests := []struct{ line, want string }{
		{"", usage},
		{"-b", usage},
		{"-t 5", usage},
		{"--", usage},
		{"-z smtpd", "rblsmtpd: illegal option -- z\n" + usage},
		{"-bR smtpd", "rblsmtpd: illegal option -- R\n" + usage},
		{"-b- smtpd", "rblsmtpd: illegal option -- -\n" + usage},
		{"-br", "rblsmtpd: option requires an argument -- r\n" + usage},
		{"-r zen.example=1 smtpd", "rblsmtpd: -r \"zen.example=1\": want codes such as 127.0.0.[2..11]"},
	}
	for _, tt := range tests {
		_, err := parseOptions(strings.Fields(tt.line))
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %q, want %q", tt.line, err, tt.want)
		}
	}
}

func FuzzOptions(f *testing.F) {
	f.Add("-b -c -r rbl.example -a white.example -t 5 smtpd arg")
	f.Add("-bBcCt0 -rzen.example=127.0.0.[2..4] -- -x")
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Split(line, " ")
		o, err := parseOptions(args)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "rblsmtpd: ") || !strings.HasSuffix(err.Error(), "\n") {
				t.Errorf("%q: error %q", line, err)
			}
			return
		}
		// The program is what the line ends with, and options take no more
		// words than stand before it.
		n := len(o.program)
		if n == 0 || !strings.HasSuffix(line, strings.Join(o.program, " ")) || o.timeout < 0 {
			t.Errorf("%q: %s", line, shape(o))
		}
	})
}
