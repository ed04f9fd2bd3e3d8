package ucspi_test

import (
	"strings"
	"testing"

	"doorward/launcher/ucspi"
)

func TestSafeHost(t *testing.T) {
	tests := []struct {
		name, want string
		ok         bool
	}{
		{"mx.example.com", "mx.example.com", true},
		{"MX.Example.COM.", "mx.example.com", true},
		{"_dmarc.a-b.example", "_dmarc.a-b.example", true},
		{"1.2.3.4", "1.2.3.4", true}, // odd, and harmless
		{strings.Repeat("a", 253), strings.Repeat("a", 253), true},
		{strings.Repeat("a", 254), "", false},
		{"", "", false},
		{".", "", false},
		{"-rf.example", "", false},
		{".example", "", false},
		{"a b.example", "", false},
		{"a\nX-Evil: 1", "", false},
		{`a\012b`, "", false}, // tcpserver's way to write a line feed
		{"bücher.example", "", false},
		{"a%n", "", false},
	}
	for _, tt := range tests {
		if got, ok := ucspi.SafeHost(tt.name); got != tt.want || ok != tt.ok {
			t.Errorf("%q: got %q, %v, want %q, %v", tt.name, got, ok, tt.want, tt.ok)
		}
	}
}

func TestSafeUser(t *testing.T) {
	tests := []struct {
		info string
		ok   bool
	}{
		{"joe", true},
		{"Joe.Smith-2_x", true},
		{strings.Repeat("u", 64), true},
		{strings.Repeat("u", 65), false},
		{"", false},
		{"-root", false},
		{"joe smith", false},
		{"joe@example.com", false}, // a header reader takes it for an address
		{"joe\n", false},
		{"() { :;};", false},
		{"joé", false},
	}
	for _, tt := range tests {
		if got, ok := ucspi.SafeUser(tt.info); ok != tt.ok || ok && got != tt.info {
			t.Errorf("%q: got %q, %v, want %v", tt.info, got, ok, tt.ok)
		}
	}
}
