package proxyproto_test

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"net/netip"
	"strings"
	"testing"

	"doorward/launcher/proxyproto"
)

func ap(s string) netip.AddrPort {
	if s == "" {
		return netip.AddrPort{}
	}
	return netip.MustParseAddrPort(s)
}

// v2 writes a header of version 2.
func v2(command, family byte, rest string) string {
	b := []byte("\r\n\r\n\x00\r\nQUIT\n" + string([]byte{command, family, 0, 0}) + rest)
	binary.BigEndian.PutUint16(b[14:], uint16(len(rest)))
	return string(b)
}

// summed adds a checksum field to a header.
func summed(header string) string {
	b := []byte(header + "\x03\x00\x04\x00\x00\x00\x00")
	binary.BigEndian.PutUint16(b[14:], uint16(len(b)-16))
	binary.BigEndian.PutUint32(b[len(b)-4:], crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	return string(b)
}

const (
	four = "\xc0\x00\x02\x07\xc6\x33\x64\x01\x9c\x41\x00\x19" // 192.0.2.7:40001 to 198.51.100.1:25
	six  = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" + "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02" + "\x9c\x41\x00\x19"
)

var zeros = strings.Repeat("\x00", 5000)

var headers = []struct {
	text          string
	remote, local string
	err           error
}{
	{"PROXY TCP4 192.0.2.7 198.51.100.1 40001 25\r\n", "192.0.2.7:40001", "198.51.100.1:25", nil},
	{"PROXY TCP6 2001:db8::1 2001:db8::2 0 65535\r\n", "[2001:db8::1]:0", "[2001:db8::2]:65535", nil},
	{"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:198.51.100.1 1 2\r\n", "192.0.2.7:1", "198.51.100.1:2", nil},
	{"PROXY UNKNOWN\r\n", "", "", nil},
	{"PROXY UNKNOWN whatever it says\r\n", "", "", nil},
	{"PROXY UNKNOWN " + strings.Repeat("x", 91) + "\r\n", "", "", nil}, // 107 bytes
	{"PROXY UNKNOWN " + strings.Repeat("x", 92) + "\r\n", "", "", proxyproto.ErrLong},
	{"PROXY " + zeros, "", "", proxyproto.ErrLong},
	{"PROXY TCP4 192.0.2.7 198.51.100.1 40001 25\n", "", "", proxyproto.ErrSyntax},
	{"PROXY TCP4 192.0.2.7 198.51.100.1 40001 025\r\n", "", "", proxyproto.ErrSyntax},
	{"PROXY TCP4 192.0.2.7 198.51.100.1 40001 65536\r\n", "", "", proxyproto.ErrSyntax},
	{"PROXY TCP4 192.0.2.7 198.51.100.1 40001 +25\r\n", "", "", proxyproto.ErrSyntax},
	{"PROXY TCP4 192.0.2.07 198.51.100.1 40001 25\r\n", "", "", proxyproto.ErrSyntax},
	{"PROXY TCP4 2001:db8::1 2001:db8::2 40001 25\r\n", "", "", proxyproto.ErrSyntax},
	{"PROXY TCP6 fe80::1%eth0 2001:db8::2 40001 25\r\n", "", "", proxyproto.ErrSyntax},
	{"PROXY TCP4 192.0.2.7  198.51.100.1 40001 25\r\n", "", "", proxyproto.ErrSyntax},
	{"PROXY TCP4 192.0.2.7 198.51.100.1 40001 25 \r\n", "", "", proxyproto.ErrSyntax},
	{"PROXY UDP4 192.0.2.7 198.51.100.1 40001 25\r\n", "", "", proxyproto.ErrSyntax},
	{"PROXY \r\n", "", "", proxyproto.ErrSyntax},
	{"EHLO mx.example.net\r\n", "", "", proxyproto.ErrMissing},
	{"proxy TCP4", "", "", proxyproto.ErrMissing},

	{v2(0x21, 0x11, four), "192.0.2.7:40001", "198.51.100.1:25", nil},
	{v2(0x21, 0x21, six), "[2001:db8::1]:40001", "[2001:db8::2]:25", nil},
	{v2(0x21, 0x11, four+"\x04\x00\x02ab"), "192.0.2.7:40001", "198.51.100.1:25", nil},
	{summed(v2(0x21, 0x11, four)), "192.0.2.7:40001", "198.51.100.1:25", nil},
	{v2(0x21, 0x11, four+"\x03\x00\x04\x00\x00\x00\x00"), "", "", proxyproto.ErrSum},
	{v2(0x21, 0x11, four+"\x03\x00\x01\x00"), "", "", proxyproto.ErrSum},
	{v2(0x21, 0x11, four+"\x04\x00\x03ab"), "", "", proxyproto.ErrSyntax},
	{v2(0x21, 0x11, four+"\x04\x00"), "", "", proxyproto.ErrSyntax},
	{v2(0x20, 0x00, ""), "", "", nil},                                      // LOCAL
	{v2(0x20, 0x11, four), "", "", nil},                                    // LOCAL, whatever it says
	{v2(0x21, 0x00, ""), "", "", nil},                                      // no address
	{v2(0x21, 0x31, zeros[:216]), "", "", nil},                             // an AF_UNIX client
	{v2(0x21, 0x12, four), "", "", proxyproto.ErrSyntax},                   // UDP
	{v2(0x21, 0x11, four[:11]), "", "", proxyproto.ErrSyntax},              // too short for its family
	{v2(0x22, 0x11, four), "", "", proxyproto.ErrSyntax},                   // a command of the future
	{v2(0x11, 0x11, four), "", "", proxyproto.ErrSyntax},                   // version 1 has no such thing
	{v2(0x20, 0x00, zeros[:4080]), "", "", nil},                            // 4096 in all
	{v2(0x20, 0x00, zeros[:4081])[:16], "", "", proxyproto.ErrLong},        // before it has come
	{"\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff", "", "", proxyproto.ErrLong}, // 65535
	{"\r\n\r\n\x00\r\nQUIT\r", "", "", proxyproto.ErrMissing},
}

// Each header is what it is, byte for byte: with more behind it, and when it
// comes one byte at a time.
func TestParse(t *testing.T) {
	for _, tt := range headers {
		whole := tt.text + "EHLO"
		h, n, err := proxyproto.Parse([]byte(whole))
		if !errors.Is(err, tt.err) || h.Remote != ap(tt.remote) || h.Local != ap(tt.local) {
			t.Errorf("%.60q: got %v, %v", tt.text, h, err)
		}
		if err == nil && n != len(tt.text) {
			t.Errorf("%.60q: %d bytes of %d", tt.text, n, len(tt.text))
		}
		for i := range len(tt.text) {
			_, _, err := proxyproto.Parse([]byte(tt.text[:i]))
			if err == nil || tt.err == nil && err != proxyproto.ErrShort {
				t.Errorf("%.60q, %d bytes: got %v", tt.text, i, err)
				break
			}
		}
	}
}

func fuzz(f *testing.F, parse func([]byte) (proxyproto.Header, int, error), most int) {
	for _, tt := range headers {
		f.Add([]byte(tt.text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := parse(b)
		switch {
		case err != nil && h != proxyproto.Header{}:
			t.Errorf("an address in spite of %v", err)
		case err == nil && (n < 1 || n > len(b) || n > most):
			t.Errorf("%d bytes", n)
		case err == proxyproto.ErrShort && len(b) >= most:
			t.Errorf("wants more than %d bytes", len(b))
		case h.Remote.IsValid() != h.Local.IsValid(), h.Remote.Addr().Is4In6(), h.Remote.Addr().Zone() != "":
			t.Errorf("got %v", h)
		}
		if err != nil {
			return
		}
		// What follows a header does not change it; without its last byte it
		// is none.
		if again, m, err := parse(b[:n]); again != h || m != n || err != nil {
			t.Errorf("alone: %v, %d, %v; want %v, %d", again, m, err, h, n)
		}
		if _, _, err := parse(b[:n-1]); err != proxyproto.ErrShort {
			t.Errorf("cut: %v", err)
		}
	})
}

func FuzzV1(f *testing.F) { fuzz(f, proxyproto.ParseV1, 107) }

func FuzzV2(f *testing.F) { fuzz(f, proxyproto.ParseV2, proxyproto.MaxV2) }
