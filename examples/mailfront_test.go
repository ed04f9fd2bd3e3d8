package examples_test

import (
	"strings"
	"testing"
)

// mailfront/: installed as its README says, served over both families.
func TestMailfront(t *testing.T) {
	needsRoot(t)
	needs(t, "smtpfront-qmail", "smtpfront-echo")
	build(t, "cmd/doorward")
	if !inNamespaces(t, "10.0.0.5/32", "192.0.2.7/32", "192.0.2.66/32", "203.0.113.8/32", "2001:db8:1::5/128", "2001:db8:2::5/128") {
		return
	}
	write(t, "/etc/hosts.allow", "", 0o644)
	write(t, "/etc/hosts.deny", "", 0o644)
	readmeStart(t)

	const v4, v6 = "127.0.0.1:25", "[::1]:25"
	tryAll(t, []try{
		{"10.0.0.5", v4, "x@elsewhere.example", "250"},
		{"2001:db8:1::5", v6, "x@elsewhere.example", "250"},
		{"203.0.113.8", v4, "x@elsewhere.example", "550"},
		{"203.0.113.8", v4, "x@example.net", "250"},
		{"2001:db8:2::5", v6, "x@elsewhere.example", "550"},
		{"192.0.2.66", v4, "x@example.net", "closed"},
		{"127.0.0.1", "127.0.0.1:2526", "x@elsewhere.example", "250"},
	})

	send(t, "10.0.0.5", v4, "x@elsewhere.example", "Subject: through mailfront")
	got := texts(t, "/var/spool/mailfront/*.envelope")
	if len(got) != 1 || got[0] != "Fa@example.org\nTx@elsewhere.example\n\n" {
		t.Errorf("envelopes: %q", got)
	}
	halfMessage(t, v4)
	eventually(t, "the spool has one message and its envelope", func() bool {
		return len(texts(t, "/var/spool/mailfront/*")) == 2
	})
}

// readmeStart follows the README; its last line is doorward itself.
func readmeStart(t *testing.T) {
	t.Helper()
	must(t, "sh", "-c", `sed -n 's/^    //p' mailfront/README.md >/etc/install.sh`)
	must(t, "sh", "-c", `sed '$d' /etc/install.sh >/etc/install1.sh && cd mailfront && sh -e /etc/install1.sh`)
	start(t, "sh", "-c", `exec $(tail -n 1 /etc/install.sh)`)
}

// halfMessage leaves in the middle of a message.
func halfMessage(t *testing.T, to string) {
	t.Helper()
	c := dial(t, "10.0.0.5", to)
	c.reply()
	for _, s := range []string{"HELO client", "MAIL FROM:<a@example.org>", "RCPT TO:<x@example.net>"} {
		c.ask(s)
	}
	if r := c.ask("DATA"); !strings.HasPrefix(r, "354") {
		t.Fatalf("DATA: %q", r)
	}
	c.conn.Write([]byte("Subject: half a mess"))
	eventually(t, "the queue has begun to take it", func() bool {
		return len(texts(t, "/var/spool/mailfront/*")) > 2
	})
	c.conn.Close()
}
