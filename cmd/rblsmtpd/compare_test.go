//go:build linux

package main_test

import (
	"testing"

	"doorward/cmd/internal/netbox"
)

// Whole connections through rblsmtpd give the client the dialogue, the DNS
// server the questions and the log the line that were recorded of the original.
func TestCompareConnections(t *testing.T) {
	netbox.Corpus{
		Name:      "e2e_rblsmtpd",
		Ours:      []netbox.Program{{Path: "/usr/bin/rblsmtpd", Package: "doorward/cmd/rblsmtpd"}},
		Originals: []netbox.Program{{Path: "/usr/bin/rblsmtpd", File: "/usr/bin/rblsmtpd"}},
		Designs:   netbox.RBLSMTPD,
	}.Run(t)
}
