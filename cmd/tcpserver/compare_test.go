//go:build linux

package main_test

import (
	"testing"

	"doorward/cmd/internal/netbox"
)

// Whole connections through tcpserver give the daemon, the log and the client
// what was recorded of the original.
func TestCompareConnections(t *testing.T) {
	netbox.Corpus{
		Name: "e2e_tcpserver",
		Ours: []netbox.Program{
			{Path: "/usr/bin/tcpserver", Package: "doorward/cmd/tcpserver"},
			{Path: "/usr/bin/tcprules", Package: "doorward/cmd/tcprules"},
		},
		Originals: []netbox.Program{
			{Path: "/usr/bin/tcpserver", File: "/usr/bin/tcpserver"},
			{Path: "/usr/bin/tcprules", File: "/usr/bin/tcprules"},
		},
		Designs: netbox.TCPServer,
	}.Run(t)
}
