//go:build linux

package main_test

import (
	"os"
	"slices"
	"testing"

	"doorward/cmd/internal/netbox"
	"doorward/cmd/internal/netbox/record"
)

// A daemon has the environment, arguments, descriptors, signals, limits and
// identity that the original gives it, and a session of its own, which the
// original does not give it.
func TestCompareDaemon(t *testing.T) {
	netbox.Skip(t)
	if _, err := os.Stat("/usr/bin/tcpserver"); err != nil {
		t.Skip("not installed: tcpserver")
	}
	c := &record.Case{
		ID: "tcpserver", Kind: "tcpserver",
		Args:    []string{"-RHl0", "-u", "65534", "-g", "65534", "0", "25", "/srv/cf/bin/qmail-smtpd", "-u"},
		Program: record.Program{File: "/srv/cf/bin/qmail-smtpd"},
		Env:     map[string]string{"PATH": "/usr/bin:/bin"},
		Client:  record.Endpoint{Addr: "192.0.2.7", Port: 40001},
		Server:  record.Endpoint{Addr: "10.9.9.9", Port: 25},
	}
	original := look(t, c, netbox.Program{Path: "/usr/bin/tcpserver", File: "/usr/bin/tcpserver"})
	ours := look(t, c, netbox.Program{Path: "/usr/bin/tcpserver", Package: "doorward/cmd/tcpserver"})
	diffs := slices.DeleteFunc(record.CompareSeen(original, ours), func(d record.Diff) bool { return d.Field == "leads" })
	for _, d := range diffs {
		t.Error(d)
	}
	if ours.Leads != "session and group" {
		t.Errorf("leads %s", ours.Leads)
	}
	t.Logf("compared: %v", ours)
}

func look(t *testing.T, c *record.Case, tcpserver netbox.Program) *record.Seen {
	t.Helper()
	programs, err := netbox.Build(t.TempDir(), []netbox.Program{tcpserver, {Path: "/srv/cf/bin/qmail-smtpd", File: "/bin/cat"}})
	if err != nil {
		t.Fatal(err)
	}
	results, err := netbox.ReplayAll(programs, []*record.Case{c})
	if err != nil {
		t.Fatal(err)
	}
	if r := results[0]; r.Error != "" || r.Seen == nil {
		t.Fatalf("%s: no daemon: %s %q", tcpserver.File, r.Error, r.Stderr)
	}
	return results[0].Seen
}
