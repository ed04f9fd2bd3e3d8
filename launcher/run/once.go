package run

import (
	"os"

	"doorward/launcher/run/internal/entry"
)

// A program that runs once for each connection is ready the sooner the less
// happens by the way.
func init() {
	if entry.Alone() {
		os.Unsetenv("GOMAXPROCS") // it was for this process
		growStack(0)
	}
}

// growStack makes the stack of the goroutine that calls it as large as deciding
// about a connection needs it. It starts with 2 kB, and would be copied four times
// on the way, each time with all of the calls on it: 60 us of 1,800.
//
//go:noinline
func growStack(i int) byte {
	var room [20 << 10]byte
	return room[i]
}
