package main

import (
	"fmt"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// A manager is the service manager, if there is one to tell (sd_notify(3)).
// Without $NOTIFY_SOCKET its methods do nothing.
type manager struct{}

func (manager) tell(state string) { daemon.SdNotify(false, state) } // nothing to do about a manager that does not listen

func (m manager) ready(status string) { m.tell("READY=1\nSTATUS=" + status) }

func (m manager) status(status string) { m.tell("STATUS=" + status) }

// reloading announces a reload; ready ends it. systemd wants to know when it
// began (Type=notify-reload).
func (m manager) reloading() {
	m.tell("RELOADING=1\n" + daemon.SdNotifyMonotonicUsec())
}

func (m manager) stopping(running int) {
	m.tell(fmt.Sprintf("STOPPING=1\nSTATUS=waiting for %d sessions to end", running))
}

func (m manager) alive() { m.tell("WATCHDOG=1") }

// watchdog returns how often the manager wants to hear that all is well; 0:
// never. Twice in the time it allows, as sd_watchdog_enabled(3) advises.
func watchdog() time.Duration {
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil || limit <= 0 {
		return 0
	}
	return limit / 2
}
