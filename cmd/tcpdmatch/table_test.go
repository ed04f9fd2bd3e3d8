package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"doorward/cmd/internal/itself"
)

// What is wrong with a line is said to whoever's question leads that far.
func TestWarningsAreForTheLinesReached(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"hosts.allow": "smtp: 192.0.2.1\nfirst\nsmtp: 192.0.2.2/24: bogus\nsmtp: DIR/patterns\nsmtp: 192.0.2.3: nice x: setenv A %y\nsecond\n",
		"hosts.deny":  "third\nALL: ALL",
		"patterns":    "# none\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.ReplaceAll(text, "DIR", dir)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	toTheThird := `hosts.allow, line 2: "first": missing ":" separator|` +
		`hosts.allow, line 3: "192.0.2.2/24": has bits outside the mask and never matches: write 192.0.2.0/24|` +
		dir + `/patterns, line 1: "# none": there are no comments in a pattern file: every word of it is a pattern|`
	tests := []struct {
		client, want string
	}{
		{"192.0.2.1", ""},
		{"192.0.2.3", toTheThird}, // its options are in the decision
		{"192.0.2.4", toTheThird + `hosts.allow, line 6: "second": missing ":" separator|hosts.deny, line 1: "third": missing ":" separator|` +
			`hosts.deny, line 2: "ALL: ALL": no newline at the end of the table: libwrap ignores the line, or denies everybody|`},
	}
	for _, tt := range tests {
		cmd := itself.Command(t, "-d", "smtp", tt.client)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatal(err, string(out))
		}
		got := ""
		for line := range strings.Lines(string(out)) {
			if text, ok := strings.CutPrefix(line, "warning: "); ok {
				got += strings.TrimSuffix(text, "\n") + "|"
			}
		}
		if !sameSet(got, tt.want) {
			t.Errorf("%s: got\n%s\nwant\n%s\nof\n%s", tt.client, got, tt.want, out)
		}
	}
}

// sameSet compares texts that end in | without regard to their order.
func sameSet(a, b string) bool {
	for text := range strings.SplitSeq(a, "|") {
		if !strings.Contains("|"+b, "|"+text) {
			return false
		}
	}
	return len(a) == len(b)
}
