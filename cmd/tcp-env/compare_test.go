//go:build linux

package main_test

import (
	"testing"

	"doorward/cmd/internal/netbox"
)

// Whole connections through tcp-env give the daemon the environment that was
// recorded of the original, notqmail's; Debian has none to run again.
func TestCompareConnections(t *testing.T) {
	netbox.Corpus{
		Name:    "e2e_tcpenv",
		Ours:    []netbox.Program{{Path: "/srv/cf/bin/tcp-env", Package: "doorward/cmd/tcp-env"}},
		Designs: netbox.TCPEnv,
	}.Run(t)
}
