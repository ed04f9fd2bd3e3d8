//go:build linux

package netbox

import (
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"doorward/cmd/internal/netbox/record"
)

// An intended difference concerns the cases that have it, and no other: a
// loose predicate would let a mistake pass for it.
func TestDesignsConcernFewCases(t *testing.T) {
	tests := []struct {
		corpus  string
		designs []Design
		want    map[string][]string // by code
	}{
		{"e2e_tcpd", TCPD, map[string][]string{
			"USER-OPT":      {"e2e-0199", "e2e-0201", "e2e-0202"},
			"ACLEXEC":       {"e2e-0241", "e2e-0294", "e2e-0298", "e2e-0301", "e2e-0289", "e2e-0290"},
			"NONL LONGLINE": {"e2e-0027", "e2e-0339", "e2e-0341"},
			"WILD-NUMERIC":  {"e2e-0198"},
			"NICE":          {"e2e-0211"},
			"TCPENV-IPV6":   {"e2e-0023"},
		}},
		{"e2e_tcpenv", TCPEnv, map[string][]string{"TCPENV-IPV6": {"e2e-0405", "e2e-0406"}}},
		{"e2e_rblsmtpd", RBLSMTPD, map[string][]string{"RBL-IPV6": {"e2e-0569", "e2e-0570"}}},
		{"e2e_tcpserver", TCPServer, map[string][]string{}},
	}
	for _, tt := range tests {
		cases, err := record.Read(filepath.Join("../../../testdata/conformance", tt.corpus+".jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[string][]string)
		for _, d := range tt.designs {
			for _, c := range cases {
				changed := c.Expect.Clone()
				if d.Expect(c, &changed) && !reflect.DeepEqual(changed, c.Expect) && !slices.Contains(got[d.Code], c.ID) {
					got[d.Code] = append(got[d.Code], c.ID)
				}
			}
		}
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.corpus, got, tt.want)
		}
	}
}
