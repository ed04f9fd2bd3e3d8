package acl_test

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"doorward/acl"
)

func TestAppendIP6WritesAsTcpserverDoes(t *testing.T) {
	tests := []struct{ addr, want string }{
		{"2001:db8::7", "2001:db8::7"},
		{"2001:db8:0:1:1:1:1:1", "2001:db8::1:1:1:1:1"}, // a single group, which RFC 5952 spares
		{"2001:db8::1:0:0:0", "2001:db8:0:0:1::"},       // the longer run, though it comes second
		{"2001:0:0:1:0:0:1:1", "2001::1:0:0:1:1"},       // of two equal runs the first
		{"fd00::", "fd00::"},
		{"::", "::"},
		{"::1", "::1"},
		{"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
		{"::2:3:4:5:6:7:8", "::2:3:4:5:6:7:8"},
		{"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7::"},
		{"192.0.2.7", "::ffff:192.0.2.7"},
		{"::ffff:192.0.2.7", "::ffff:192.0.2.7"},
		{"fe80::1%eth0", "fe80::1"},
	}
	for _, tt := range tests {
		if got := string(acl.AppendIP6(nil, netip.MustParseAddr(tt.addr))); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.addr, got, tt.want)
		}
	}
	if got := acl.AppendIP6([]byte("x"), netip.Addr{}); string(got) != "x" {
		t.Errorf("no address: got %q", got)
	}
}

// Whatever the form, it must read back as the address it was.
func TestAppendIP6ReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var bytes [16]byte
		for i, b := range rapid.SliceOfN(rapid.SampledFrom([]byte{0, 0, 0, 1, 255}), 16, 16).Draw(t, "bytes") {
			bytes[i] = b
		}
		a := netip.AddrFrom16(bytes)
		text := string(acl.AppendIP6(nil, a))
		if back, err := netip.ParseAddr(text); err != nil || back != a {
			t.Errorf("%v became %q, read back as %v, %v", a, text, back, err)
		}
	})
}
