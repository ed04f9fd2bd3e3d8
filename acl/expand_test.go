package acl_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"doorward/acl"
)

// expandable is a client about whom there is something to know, and notes what
// has been asked for.
func expandable(asked *[]acl.Fact) *acl.Request {
	return &acl.Request{
		Daemon: "smtp", PID: 42,
		Remote: netip.MustParseAddrPort("192.0.2.7:1024"), Local: netip.MustParseAddrPort("192.0.2.1:25"),
		Ask: func(f acl.Fact) acl.Answer {
			if asked != nil {
				*asked = append(*asked, f)
			}
			switch f.Kind {
			case acl.Name:
				return acl.Answer{Status: acl.Found, Text: "mx.example.net"}
			case acl.Ident:
				return acl.Answer{Status: acl.Found, Text: "joe;rm -rf"}
			}
			return acl.Answer{Status: acl.Forged}
		},
	}
}

func TestExpand(t *testing.T) {
	tests := []struct {
		in, want string
		asks     []acl.Kind
	}{
		{"%a %A", "192.0.2.7 192.0.2.1", nil},
		{"%h %H", "192.0.2.7 192.0.2.1", nil}, // nobody has asked for names
		{"%n %h %c", "mx.example.net mx.example.net mx.example.net", []acl.Kind{acl.Name}},
		{"%N %H %s", "paranoid 192.0.2.1 smtp@192.0.2.1", []acl.Kind{acl.LocalName}}, // no name to be proud of
		{"%c %u %c", "192.0.2.7 joe_rm_-rf joe_rm_-rf@192.0.2.7", []acl.Kind{acl.Ident}},
		{"%d %p %r %R", "smtp 42 1024 25", nil},
		{"100%% of 50%", "100% of 50%", nil},
		{"<%x>;$(id)", "<>;$(id)", nil}, // the rule's own text is its own business
		{"", "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			var asked []acl.Fact
			got, err := acl.Expand(expandable(&asked), tt.in)
			if got != tt.want || err != nil {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
			if !slices.EqualFunc(asked, tt.asks, func(f acl.Fact, k acl.Kind) bool { return f.Kind == k }) {
				t.Errorf("asked for %v, want %v", asked, tt.asks)
			}
		})
	}
}

// Once a name has been cleaned for a command, logs show it clean, too.
func TestExpandRemembersWhatIsClean(t *testing.T) {
	r := expandable(nil)
	acl.User(r)
	if got := acl.Client(r); got != "joe;rm -rf@192.0.2.7 (192.0.2.7)" {
		t.Errorf("before: %q", got)
	}
	acl.Expand(r, "%u")
	if got := acl.Client(r); got != "joe_rm_-rf@192.0.2.7 (192.0.2.7)" {
		t.Errorf("after: %q", got)
	}
}

func TestClientAddr(t *testing.T) {
	tests := []struct {
		what string
		r    acl.Request
		want string
	}{
		{"nothing known", acl.Request{}, "unknown"},
		{"an AF_UNIX peer", acl.Request{Unix: true}, "localhost"},
		{"IPv4 through a dual-stack socket", acl.Request{Remote: netip.MustParseAddrPort("192.0.2.7:1"), Mapped: true}, "::ffff:192.0.2.7"},
		{"IPv6", acl.Request{Remote: netip.MustParseAddrPort("[2001:db8::7]:1"), Mapped: true}, "2001:db8::7"},
		{"link-local", acl.Request{Remote: netip.MustParseAddrPort("[fe80::1%lo]:1")}, "fe80::1%lo"},
		{"IPv4-compatible, as C prints it", acl.Request{Remote: netip.MustParseAddrPort("[::c000:207]:1")}, "::192.0.2.7"},
		{"the IPv6 loopback", acl.Request{Remote: netip.MustParseAddrPort("[::1]:1")}, "::1"},
	}
	for _, tt := range tests {
		if got := acl.ClientAddr(&tt.r); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.what, got, tt.want)
		}
	}
}

// A datagram has no connection whose user could be asked for.
func TestUserOfDatagram(t *testing.T) {
	r := &acl.Request{Datagram: true, Ask: func(f acl.Fact) acl.Answer { t.Errorf("asked for %v", f); return acl.Answer{} }}
	if got := acl.User(r); got != acl.UnknownName {
		t.Errorf("got %q", got)
	}
}

func TestExpandTooLong(t *testing.T) {
	if got, err := acl.Expand(&acl.Request{}, strings.Repeat("x", 8190)); err != nil || len(got) != 8190 {
		t.Errorf("8190 bytes: %d, %v", len(got), err)
	}
	if got, err := acl.Expand(&acl.Request{}, strings.Repeat("x", 8191)); !errors.Is(err, acl.ErrTooLong) || got != "" {
		t.Errorf("8191 bytes: %d, %v", len(got), err)
	}
}

func TestUnknownEscapes(t *testing.T) {
	if got := acl.UnknownEscapes("%a %x %% %Z %"); !slices.Equal(got, []string{"%x", "%Z"}) {
		t.Errorf("got %q", got)
	}
}

// Whatever a client calls itself, what is put in is fit for a shell.
func TestExpandIsClean(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.String().Draw(t, "name")
		r := &acl.Request{Daemon: name, Ask: func(acl.Fact) acl.Answer { return acl.Answer{Status: acl.Found, Text: name} }}
		got, err := acl.Expand(r, rapid.SampledFrom([]string{"%n", "%u", "%d", "%c%n%u%c", "%n%h", "%N%s"}).Draw(t, "text"))
		if err != nil || strings.Trim(got, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!@%-_=+:,./") != "" {
			t.Errorf("got %q, %v", got, err)
		}
	})
}
