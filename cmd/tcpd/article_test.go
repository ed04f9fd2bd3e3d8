//go:build linux

package main_test

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"doorward/cmd/internal/netbox"
	"doorward/cmd/internal/netbox/record"
)

// xinetdConf is the service of the classic article, with the daemon's
// arguments to be filled in. The article's user qmaild is not on every
// machine, daemon is.
const xinetdConf = `defaults
{
	log_type = FILE /srv/cf/out/xinetd.log
}

service smtp
{
	disable     = no
	socket_type = stream
	protocol    = tcp
	wait        = no
	user        = %s
	flags       = NAMEINARGS REUSE %s
	server      = /usr/sbin/tcpd
	server_args = %s
}
`

const relayFor10 = "tcp-env: 10.0.0. : setenv = RELAYCLIENT\nqmail-smtpd: 10.0.0. : setenv = RELAYCLIENT\n"

// The real xinetd starts, through our tcpd with the article's files, a daemon
// that cannot tell it from one that the original tcpd let in: the whole
// environment, arguments, descriptors, signals, limits and identity are equal.
func TestCompareArticle(t *testing.T) {
	netbox.Skip(t)
	for _, file := range []string{"/usr/sbin/xinetd", "/usr/sbin/tcpd", "/bin/cat"} {
		if _, err := os.Stat(file); err != nil {
			t.Skip("not installed:", file)
		}
	}
	const viaTCPEnv, direct = "/srv/cf/bin/tcp-env /srv/cf/bin/qmail-smtpd -u", "/srv/cf/bin/qmail-smtpd -u"
	lines := []struct {
		name, user, flags, args, client string
	}{
		{"a relay client, through tcp-env", "daemon", "", viaTCPEnv, "10.0.0.5"},
		{"another client, through tcp-env", "daemon", "", viaTCPEnv, "192.0.2.7"},
		{"a relay client, as root", "root", "", viaTCPEnv, "10.0.0.5"},
		{"a relay client, without tcp-env", "daemon", "", direct, "10.0.0.5"},
		{"another client, without tcp-env", "daemon", "", direct, "192.0.2.7"},
		{"a relay client, keepalive", "daemon", "KEEPALIVE NODELAY", viaTCPEnv, "10.0.0.5"},
		{"a refused client", "daemon", "NOLIBWRAP", viaTCPEnv, "198.51.100.1"},
	}
	var cases []*record.Case
	for _, l := range lines {
		cases = append(cases, article(l.name, fmt.Sprintf(xinetdConf, l.user, l.flags, l.args), l.client))
	}
	var originals, ours []*record.Result
	var wg sync.WaitGroup
	wg.Go(func() { originals = replay(t, cases, netbox.Program{Path: "/usr/sbin/tcpd", File: "/usr/sbin/tcpd"}) })
	wg.Go(func() { ours = replay(t, cases, netbox.Program{Path: "/usr/sbin/tcpd", Package: "doorward/cmd/tcpd"}) })
	wg.Wait()
	if t.Failed() {
		return
	}
	for i, c := range cases {
		t.Run(c.ID, func(t *testing.T) { compareDaemons(t, originals[i], ours[i]) })
	}
}

func article(name, conf, client string) *record.Case {
	allow, deny := relayFor10, "ALL: 198.51.100.\n"
	return &record.Case{
		ID: name, Kind: "xinetd",
		Program: record.Program{File: "/srv/cf/bin/qmail-smtpd"},
		Env:     map[string]string{"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C"},
		Client:  record.Endpoint{Addr: client, Port: 40001},
		Server:  record.Endpoint{Addr: "10.9.9.9", Port: 25},
		Allow:   &allow, Deny: &deny,
		DNS:   &record.Zone{PTR: map[string]any{"10.0.0.5": []any{"relay.example.com"}, "10.9.9.9": []any{"mail.example.com"}}},
		Files: map[string]string{"/etc/xinetd.conf": conf},
	}
}

// replay plays the cases with that tcpd. Its errors fail the test; there are no
// results then.
func replay(t *testing.T, cases []*record.Case, tcpd netbox.Program) []*record.Result {
	programs, err := netbox.Build(t.TempDir(), []netbox.Program{
		tcpd,
		{Path: "/srv/cf/bin/tcp-env", Package: "doorward/cmd/tcp-env"},
		{Path: "/usr/sbin/xinetd", File: "/usr/sbin/xinetd"},
		{Path: "/srv/cf/bin/qmail-smtpd", File: "/bin/cat"},
	})
	if err != nil {
		t.Error(err)
		return nil
	}
	results, err := netbox.ReplayAll(programs, cases)
	if err != nil {
		t.Error(err)
	}
	return results
}

func compareDaemons(t *testing.T, original, ours *record.Result) {
	for _, r := range []*record.Result{original, ours} {
		if r.Error != "" {
			t.Fatal(r.Error)
		}
	}
	if original.Received != ours.Received || fmt.Sprint(original.Syslog) != fmt.Sprint(ours.Syslog) {
		t.Errorf("client and log: want %q %q, got %q %q", original.Received, original.Syslog, ours.Received, ours.Syslog)
	}
	if original.Seen == nil || ours.Seen == nil {
		if original.Seen != ours.Seen {
			t.Errorf("daemon started: by the original %t, by ours %t", original.Seen != nil, ours.Seen != nil)
		}
		t.Logf("compared: no daemon, after %.0f s and %.0f s, log %q", original.Seconds, ours.Seconds, ours.Syslog)
		return
	}
	for _, d := range record.CompareSeen(original.Seen, ours.Seen) {
		t.Error(d)
	}
	t.Logf("compared: %v", ours.Seen)
}
