package journal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"doorward/acl"
	"doorward/launcher/journal"
)

var client = netip.MustParseAddrPort("192.0.2.7:40001")

func TestText(t *testing.T) {
	rule := acl.Pos{File: "hosts.allow", Line: 3}
	tests := []struct {
		e    journal.Event
		want string
	}{
		{journal.Event{Kind: journal.Ended, Service: "smtp", Remote: client, Name: "mx.example.net", Rule: rule, Relay: true,
			PID: 42, Status: 256, Duration: 1234567 * time.Microsecond},
			"smtp: 192.0.2.7:40001 (mx.example.net) allowed by hosts.allow:3, may relay: pid 42, exit 1 after 1.235s\n"},
		{journal.Event{Kind: journal.Ended, Service: "smtp", Remote: client, PID: 42, Status: syscall.WaitStatus(syscall.SIGKILL)},
			"smtp: 192.0.2.7:40001 allowed by default: pid 42, signal killed after 0s\n"},
		{journal.Event{Kind: journal.Denied, Service: "smtp", Remote: netip.MustParseAddrPort("[2001:db8::1]:9"), Rule: rule},
			"smtp: [2001:db8::1]:9 denied by hosts.allow:3\n"},
		{journal.Event{Kind: journal.Denied, Service: "smtp", Remote: client, Rule: rule, Reply: "553 listed",
			Attempts: []journal.Attempt{{Helo: "mx", From: "a@example.net", To: "b@example.org"}}},
			"smtp: 192.0.2.7:40001 denied by hosts.allow:3: told 553 listed; helo mx from <a@example.net> to <b@example.org>\n"},
		{journal.Event{Kind: journal.Ended, Service: "echo", Remote: client, Duration: time.Second}, "echo: 192.0.2.7:40001 allowed by default: served after 1s\n"},
		{journal.Event{Kind: journal.Ended, Service: "to", Remote: client, Err: errors.New("nobody there")},
			"to: 192.0.2.7:40001 allowed by default: served after 0s: nobody there\n"},
		{journal.Event{Kind: journal.Failed, Service: "smtp", Remote: client, Err: errors.New("no such program")},
			"smtp: 192.0.2.7:40001 allowed by default: not served: no such program\n"},
		{journal.Event{Kind: journal.Started, Service: "smtp", Remote: client, Notes: []acl.Note{{Pos: rule, Text: "bad\n"}}},
			"smtp: 192.0.2.7:40001 hosts.allow:3: bad\\x0a\n"}, // notes do not wait for the end
		{journal.Event{Kind: journal.Full, Service: "smtp", Running: 40}, "smtp: full: 40 running, further clients wait\n"},
		{journal.Event{Kind: journal.Started, Service: "smtp", Remote: client, PID: 42}, ""}, // told when it ends
	}
	for _, tt := range tests {
		var out bytes.Buffer
		journal.Text(&out, false)(tt.e)
		if out.String() != tt.want {
			t.Errorf("got  %q\nwant %q", out.String(), tt.want)
		}
	}
}

// Whatever a client calls itself, it gets one line, of printable ASCII and of
// bounded length, in either format.
func TestHostileNames(t *testing.T) {
	e := journal.Event{Kind: journal.Ended, Service: "smtp", Remote: client,
		Name: "a\nsmtp: 10.0.0.1 allowed by hosts.allow:1", User: "\x1b[2J\\" + strings.Repeat("u", 1<<20)}
	var text, js bytes.Buffer
	journal.All(journal.Text(&text, true), journal.JSON(&js))(e)
	for name, out := range map[string]string{"text": text.String(), "json": js.String()} {
		if strings.Count(out, "\n") != 1 || !strings.HasSuffix(out, "\n") {
			t.Errorf("%s: not one line: %.200q", name, out)
		}
		if len(out) > 8192 {
			t.Errorf("%s: %d bytes", name, len(out))
		}
		if i := strings.IndexFunc(strings.TrimSuffix(out, "\n"), func(r rune) bool { return r < ' ' || r == 0x7f }); i >= 0 {
			t.Errorf("%s: control character at %d", name, i)
		}
	}
}

func TestJSONHasWhatTextHas(t *testing.T) {
	var out bytes.Buffer
	journal.JSON(&out)(journal.Event{Kind: journal.Denied, Service: "smtp", Remote: client,
		Rule: acl.Pos{File: "/etc/hosts.deny", Line: 7}})
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for k, want := range map[string]any{"event": "denied", "service": "smtp", "remote": "192.0.2.7:40001", "rule": "/etc/hosts.deny:7"} {
		if got[k] != want {
			t.Errorf("%s: got %v, want %v", k, got[k], want)
		}
	}
}

func TestCountsUnderLoad(t *testing.T) {
	var c journal.Counts
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				c.Sink(journal.Event{Kind: journal.Started, Service: "a"})
				c.Sink(journal.Event{Kind: journal.Denied, Service: "b"})
				c.Sink(journal.Event{Kind: journal.Ended, Service: "a"})
			}
		})
	}
	wg.Wait()
	if got, want := c.Total(), (journal.Count{Started: 800, Denied: 800}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// A service over TCP and one over UDP that have one name are two.
func TestOneNameTwoServices(t *testing.T) {
	var c journal.Counts
	var out bytes.Buffer
	sink := journal.All(c.Sink, journal.JSON(&out))
	sink(journal.Event{Kind: journal.Started, Service: "a"})
	sink(journal.Event{Kind: journal.Denied, Service: "a", Datagram: true})
	if tcp, udp := c.Of(journal.Key{Service: "a"}), c.Of(journal.Key{Service: "a", Datagram: true}); tcp != (journal.Count{Started: 1, Running: 1}) || udp != (journal.Count{Denied: 1}) {
		t.Errorf("got %+v and %+v", tcp, udp)
	}
	first, second, _ := strings.Cut(out.String(), "\n")
	if strings.Contains(first, "protocol") || !strings.Contains(second, `"protocol":"udp"`) {
		t.Errorf("got %s", out.String())
	}
}

func FuzzEscape(f *testing.F) {
	f.Add("a\nb\\\x00\xff")
	f.Fuzz(func(t *testing.T, s string) {
		for _, c := range journal.Escape(nil, s) {
			if c < ' ' || c > '~' {
				t.Fatalf("%q left in", c)
			}
		}
	})
}
