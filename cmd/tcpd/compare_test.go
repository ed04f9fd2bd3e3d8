//go:build linux

package main_test

import (
	"testing"

	"doorward/cmd/internal/netbox"
)

// Whole connections through tcpd give the daemon, the client, the log, the
// ident server and the DNS server what was recorded of the original. Some of
// them go on to tcp-env, which is ours in both: Debian has none.
func TestCompareConnections(t *testing.T) {
	tcpEnv := netbox.Program{Path: "/srv/cf/bin/tcp-env", Package: "doorward/cmd/tcp-env"}
	netbox.Corpus{
		Name:      "e2e_tcpd",
		Ours:      []netbox.Program{{Path: "/usr/sbin/tcpd", Package: "doorward/cmd/tcpd"}, tcpEnv},
		Originals: []netbox.Program{{Path: "/usr/sbin/tcpd", File: "/usr/sbin/tcpd"}, tcpEnv},
		Designs:   netbox.TCPD,
		Company:   netbox.TCPEnv,
	}.Run(t)
}
