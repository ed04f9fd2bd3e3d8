package run

import (
	"os"

	"doorward/launcher/run/internal/entry"
)

// What is in the environment for the sake of this process is not for others.
func init() {
	if entry.Alone() {
		os.Unsetenv("GOMAXPROCS")
	}
}
