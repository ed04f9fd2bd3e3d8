// Package systemd takes the sockets that systemd passes, as go-systemd reads
// sd_listen_fds(3).
package systemd

import (
	"github.com/coreos/go-systemd/v22/activation"

	ours "doorward/launcher/sock/activation"
)

// Take takes what was passed and removes LISTEN_PID, LISTEN_FDS and
// LISTEN_FDNAMES from the environment, so that the first call finds everything
// and a later one nothing. Errors as [ours.Of]'s.
func Take() (ours.Sockets, error) { return ours.Of(activation.Files(true)) }
