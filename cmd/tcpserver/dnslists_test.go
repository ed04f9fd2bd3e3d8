package main

import (
	"strings"
	"testing"

	"doorward/cmd/internal/listserver"
)

// A DNS list keeps a client out in SMTP, without a process, unless a rule lets
// it relay.
func TestRulesDNSLists(t *testing.T) {
	const server = "127.0.53.1"
	if _, err := listserver.Start(t, server+":53"); err != nil {
		t.Skip("needs port 53: ", err)
	}
	t.Setenv("DNSCACHEIP", server)
	x := write(t, t.TempDir()+"/x", "127.0.0.4:allow\n:allow\n")
	relay := write(t, t.TempDir()+"/relay", "127.0.0.3:allow,RELAYCLIENT=\"\"\n:allow\n")
	dialogue := "HELO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nQUIT\r\n"
	tests := []struct {
		rules, from string
		refused     bool
	}{
		{x, "127.0.0.4", false}, // not listed
		{x, "127.0.0.3", true},
		{relay, "127.0.0.3", false},
	}
	for _, tt := range tests {
		s := launch(t, command(t, "-1vHRl0", "-x", tt.rules, "--rules", "dnsbl:zone.example", "127.0.0.1", "0", "echo", "in"))
		input := ""
		if tt.refused {
			input = dialogue
		}
		got := s.visit(tt.from, input)
		if refused := strings.Contains(got, "553 "+listserver.Text); refused != tt.refused || !refused && got != "in\n" {
			t.Errorf("%s by %s: got %q", tt.from, tt.rules, got)
		}
	}
}
