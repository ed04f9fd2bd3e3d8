package book

import (
	"runtime"
	"runtime/debug"
)

// gcTarget is how far the heap may grow while rules are read, in percent.
const gcTarget = 400

// quietly runs f, which reports whether it did anything, with the garbage
// collector at rest while the heap has less than five times its size: a
// collection beside f takes the second processor from those who serve.
//
// The one that is due then takes the old rules with it, and must be over before
// the target is what it was: above its target the runtime has whoever
// allocates collect first, and every client waits. With a million prefixes and
// 200 clients a second on two processors, their p99 to the first byte was 90 to
// 130 ms, and is 6 to 9.
//
// A thread of low priority for f was tried and made it worse: the runtime waits
// for that thread, and everybody for the runtime. With one processor more in
// GOMAXPROCS meanwhile it made no difference.
func quietly(f func() (worked bool)) {
	defer debug.SetGCPercent(debug.SetGCPercent(gcTarget))
	if f() {
		runtime.GC()
	}
}
