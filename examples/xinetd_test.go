package examples_test

import (
	"os"
	"strings"
	"testing"
)

// qmail/xinetd.d: the real xinetd, then our tcpd and tcp-env at the places of
// the originals, with hosts.allow of the example.
func TestQmailXinetd(t *testing.T) {
	needsRoot(t)
	needs(t, "xinetd")
	build(t, "cmd/tcpd", "cmd/tcp-env", "examples/smtpd")
	if !inNamespaces(t, qmailClients...) {
		return
	}
	qmailHome(t, realSmtpd())
	must(t, "cp", bin+"/tcp-env", "/var/qmail/bin/tcp-env")
	// /usr/sbin is full of other programs; ours lies over tcpd alone.
	if _, err := os.Stat("/usr/sbin/tcpd"); err != nil {
		t.Skip("needs /usr/sbin/tcpd, to stand in for")
	}
	must(t, "mount", "--bind", bin+"/tcpd", "/usr/sbin/tcpd")
	must(t, "sh", "-c", "rm -rf /etc/xinetd.d; mkdir /etc/xinetd.d; cp qmail/xinetd.d/smtp /etc/xinetd.d; "+
		"cp qmail/hosts.allow qmail/hosts.deny /etc; echo 'includedir /etc/xinetd.d' >/etc/xinetd.conf")
	start(t, "xinetd", "-dontfork", "-filelog", "/dev/stderr", "-pidfile", t.TempDir()+"/pid")

	const v4, v6 = "127.0.0.1:25", "[::1]:25"
	tryAll(t, []try{
		{"10.0.0.5", v4, "x@elsewhere.example", "250"},
		{"2001:db8:1::5", v6, "x@elsewhere.example", "250"},
		{"192.0.2.7", v4, "x@elsewhere.example", "553"},
		{"192.0.2.7", v4, "x@example.net", "250"},
		{"2001:db8:2::5", v6, "x@elsewhere.example", "553"},
		{"192.0.2.66", v4, "x@example.net", "closed"},
	})
	send(t, "2001:db8:1::5", v6, "x@elsewhere.example", "Subject: by xinetd")
	got := texts(t, "/var/qmail/Maildir/new/*")
	if len(got) != 1 || !strings.Contains(got[0], "(2001:db8:1::5)") {
		t.Errorf("delivered %q", got)
	}
}
