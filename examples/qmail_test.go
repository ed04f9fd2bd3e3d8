package examples_test

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
)

// The clients of the qmail examples: addresses that qmail/tcp.smtp speaks of,
// and one of each family that it does not.
var qmailClients = []string{
	"10.0.0.5/32", "192.0.2.7/32", "192.0.2.66/32", "192.0.2.99/32", "198.51.100.9/32", "203.0.113.8/32",
	"2001:db8:1::5/128", "2001:db8:2::5/128",
}

// qmailHome makes a /var/qmail whose daemons are what is named.
func qmailHome(t *testing.T, smtpd string) {
	t.Helper()
	addUser(t, "qmaild", "7791")
	write(t, "/var/qmail/control/me", "mx.example.net\n", 0o644)
	write(t, "/var/qmail/control/rcpthosts", "example.net\n", 0o644)
	write(t, "/var/qmail/bin/qmail-smtpd", "#!/bin/sh\n"+smtpd+"\n", 0o755)
	must(t, "install", "-d", "-o", "qmaild", "/var/qmail/Maildir")
	must(t, "mkdir", "-p", "/var/qmail/supervise")
	write(t, "/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n", 0o644)
}

// realSmtpd is examples/smtpd in the place of qmail-smtpd.
func realSmtpd() string {
	return "exec " + bin + "/smtpd -rcpthosts /var/qmail/control/rcpthosts -maildir /var/qmail/Maildir -hostname mx.example.net"
}

// installQmail follows the README.
func installQmail(t *testing.T) {
	t.Helper()
	readme(t, "qmail", "cp tcp.smtp tcp.submission /etc\n")
}

// qmail/smtpd: tcpserver, rblsmtpd and softlimit, with the rules of tcp.smtp,
// in front of mailfront, which is small enough for 9 MB.
func TestQmailSmtpd(t *testing.T) {
	needsRoot(t)
	needs(t, "softlimit", "smtpfront-qmail", "rbldnsd")
	build(t, "cmd/tcpserver", "cmd/tcprules", "cmd/rblsmtpd")
	if !inNamespaces(t, qmailClients...) {
		return
	}
	qmailHome(t, "QMAILHOME=/var/qmail exec smtpfront-qmail")
	dnsList(t, "192.0.2.99 :127.0.0.2:listed, see https://example.org/\n")
	installQmail(t)
	start(t, "/var/qmail/supervise/smtpd/run")
	const v4, v6 = "127.0.0.1:25", "[::1]:25"
	tryAll(t, []try{
		{"127.0.0.1", v4, "x@elsewhere.example", "250"},
		{"::1", v6, "x@elsewhere.example", "250"},
		{"10.0.0.5", v4, "x@elsewhere.example", "250"},
		{"2001:db8:1::5", v6, "x@elsewhere.example", "250"},
		{"192.0.2.7", v4, "x@elsewhere.example", "550"}, // mailfront's number for it
		{"192.0.2.7", v4, "x@example.net", "250"},
		{"2001:db8:2::5", v6, "x@elsewhere.example", "550"},
		{"2001:db8:2::5", v6, "x@example.net", "250"},
		{"198.51.100.9", v4, "x@example.net", "250"},
		{"203.0.113.8", v4, "x@example.net", "553 this address was a zombie in May"},
		{"192.0.2.99", v4, "x@example.net", "451 listed, see https://example.org/"},
		{"192.0.2.66", v4, "x@example.net", "closed"},
	})
}

// dnsList serves zen.spamhaus.org on loopback.
func dnsList(t *testing.T, zone string) {
	t.Helper()
	dir := t.TempDir()
	write(t, dir+"/zone", zone, 0o644)
	must(t, "chmod", "755", dir, filepath.Dir(dir))
	start(t, "rbldnsd", "-n", "-q", "-b", "127.0.0.1/53", "-u", "nobody", "zen.spamhaus.org:ip4set:"+dir+"/zone")
}

// qmail/submission: both families on one socket, rules as text, examples/smtpd
// with the uid of qmaild.
func TestQmailSubmission(t *testing.T) {
	needsRoot(t)
	build(t, "cmd/tcpserver", "cmd/tcprules", "examples/smtpd")
	if !inNamespaces(t, qmailClients...) {
		return
	}
	qmailHome(t, realSmtpd())
	installQmail(t)
	start(t, "/var/qmail/supervise/submission/run")
	const v4, v6 = "127.0.0.1:587", "[::1]:587"
	tryAll(t, []try{
		{"127.0.0.1", v4, "x@elsewhere.example", "250"},
		{"10.0.0.5", v4, "x@elsewhere.example", "250"},
		{"::1", v6, "x@elsewhere.example", "250"},
		{"2001:db8:1::5", v6, "x@elsewhere.example", "250"},
		{"192.0.2.7", v4, "x@example.net", "closed"},
		{"2001:db8:2::5", v6, "x@example.net", "closed"},
	})
	send(t, "2001:db8:1::5", v6, "x@elsewhere.example", "Subject: by submission")
	got := texts(t, "/var/qmail/Maildir/new/*")
	if len(got) != 1 || !strings.Contains(got[0], "(2001:db8:1::5)") {
		t.Errorf("delivered %q", got)
	}
	// The rules are read where they stand: a rule added lets a client in.
	write(t, "/etc/tcp.submission", "192.0.2.7:allow\n:deny\n", 0o644)
	eventually(t, "a rule added counts", func() bool { return strings.HasPrefix(rcpt(t, "192.0.2.7", v4, "x@example.net"), "250") })
}

// qmail/qmtpd: the same rules in front of another protocol.
func TestQmailQmtpd(t *testing.T) {
	needsRoot(t)
	needs(t, "qmtpfront-echo")
	build(t, "cmd/tcpserver", "cmd/tcprules")
	if !inNamespaces(t, qmailClients...) {
		return
	}
	qmailHome(t, realSmtpd())
	write(t, "/var/qmail/bin/qmail-qmtpd", "#!/bin/sh\nexec qmtpfront-echo accept\n", 0o755)
	installQmail(t)
	start(t, "/var/qmail/supervise/qmtpd/run")
	for _, tt := range []struct{ from, to, want string }{
		{"192.0.2.7", "127.0.0.1:209", "K"},
		{"2001:db8:2::5", "[::1]:209", "K"},
		{"192.0.2.66", "127.0.0.1:209", ""},
	} {
		if got := qmtp(t, tt.from, tt.to); !strings.HasPrefix(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("%s: got %q, want %q", tt.from, got, tt.want)
		}
	}
}

// qmtp sends a message by QMTP and returns the answer, a netstring without its
// length: K is yes. No answer is "".
func qmtp(t *testing.T, from, to string) string {
	t.Helper()
	c := dial(t, from, to)
	netstring := func(s string) string { return fmt.Sprintf("%d:%s,", len(s), s) }
	io.WriteString(c.conn, netstring("\nSubject: by QMTP\n\nHello.\n")+netstring("a@example.org")+netstring(netstring("x@example.net")))
	answer, _ := c.r.ReadString(',')
	_, answer, _ = strings.Cut(answer, ":")
	return answer
}
