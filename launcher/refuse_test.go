package launcher_test

import (
	"bufio"
	"io"
	"net"
	"slices"
	"testing"

	"doorward/acl"
	"doorward/launcher"
	"doorward/launcher/journal"
)

var listed = acl.Decision{Verdict: acl.Deny, Reply: acl.Reply{Text: "listed"}, Rule: acl.Pos{File: "list.example"}}

// A decision with a reply is told in SMTP, without a process, and the journal
// hears what the client wanted to send.
func TestRefusalDialogue(t *testing.T) {
	h := open(t, &launcher.Service{Name: "t", Program: shell("echo in"), Policy: fixed(listed)}, launcher.Limits{})
	got := h.visit("EHLO mx.example.net\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\nQUIT\r\n")
	want := "220 rblsmtpd.local\r\n250 rblsmtpd.local\r\n250 rblsmtpd.local\r\n553 listed\r\n221 rblsmtpd.local\r\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	h.waitFor(journal.Denied)
	e := h.events[0]
	if e.Reply != "553 listed" || !slices.Equal(e.Attempts, []journal.Attempt{{Helo: "mx.example.net", From: "a@example.net", To: "b@example.org"}}) {
		t.Errorf("the journal heard %q, %v", e.Reply, e.Attempts)
	}
	if slices.Contains(h.kinds(), journal.Started) {
		t.Error("a process was started")
	}
}

// Clients that are being refused take no place of those that are served.
func TestRefusedTakeNoPlace(t *testing.T) {
	policy := acl.Func(func(r *acl.Request) acl.Decision {
		if r.Remote.Addr().String() == "127.0.0.2" {
			return listed
		}
		return acl.Decision{}
	})
	h := open(t, &launcher.Service{Name: "t", Program: shell("echo in"), Policy: policy}, launcher.Limits{Max: 1})
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	for range 3 {
		c, err := d.Dial("tcp", h.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if line, err := bufio.NewReader(c).ReadString('\n'); line != "220 rblsmtpd.local\r\n" {
			t.Fatalf("got %q, %v", line, err)
		}
	}
	if got := h.visit(""); got != "in\n" {
		t.Errorf("got %q while others are being refused", got)
	}
}

// However many are to be refused, each is told; those beyond the bound at
// once, and left.
func TestRefusalFlood(t *testing.T) {
	h := open(t, &launcher.Service{Name: "t", Program: shell("echo in"), Policy: fixed(listed)}, launcher.Limits{})
	var held []net.Conn
	defer func() {
		for _, c := range held {
			c.Close()
		}
	}()
	for range 1000 {
		c := h.dial()
		held = append(held, c)
		if b, err := bufio.NewReader(c).ReadString('\n'); b != "220 rblsmtpd.local\r\n" {
			t.Fatalf("%d: got %q, %v", len(held), b, err)
		}
	}
	c := h.dial()
	defer c.Close()
	if b, _ := io.ReadAll(c); string(b) != "553 listed\r\n" {
		t.Errorf("got %q", b)
	}
}
