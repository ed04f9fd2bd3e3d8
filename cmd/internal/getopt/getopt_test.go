package getopt_test

import (
	"slices"
	"strings"
	"testing"

	"doorward/cmd/internal/getopt"
)

func TestParse(t *testing.T) {
	tests := []struct {
		line string
		want string // options as heard, then what is left; or the error
	}{
		{"-vRHl0 -c 40 -xr.cdb 0 25 prog -v", "v R H l=0 c=40 x=r.cdb | 0 25 prog -v"},
		{"-v - x", "v | - x"}, // a lone hyphen is no option
		{"-v -- -x y", "v | -x y"},
		{"--rate 5/s --rate=6/m 0", "rate=5/s rate=6/m | 0"},
		{"-vz", "t: illegal option -- z"},
		{"-v -c", "t: option requires an argument -- c"},
		{"--nosuch 1", "t: illegal option -- -nosuch"},
		{"-:", "t: illegal option -- :"},
		{"", "|"},
	}
	for _, tt := range tests {
		var heard []string
		o := getopt.Options{Program: "t", Letters: "vRHl:c:x:", Long: "rate per-source", Set: func(option, value string) error {
			if value != "" {
				option += "=" + value
			}
			heard = append(heard, option)
			return nil
		}}
		rest, err := o.Parse(strings.Fields(tt.line))
		got := strings.Join(slices.Concat(heard, []string{"|"}, rest), " ")
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.line, got, tt.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("-vRHl0\x00-c\x0040\x000")
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Split(line, "\x00")
		o := getopt.Options{Program: "t", Letters: "vRHl:c:x:", Set: func(string, string) error { return nil }}
		rest, err := o.Parse(args)
		if err == nil && !slices.Equal(rest, args[len(args)-len(rest):]) {
			t.Errorf("%q: %q is not the end of it", args, rest)
		}
	})
}
