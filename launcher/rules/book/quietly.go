package book

import "runtime/debug"

// gcTarget is how far the heap may grow while rules are read, in percent.
const gcTarget = 400

// quietly runs f with the garbage collector at rest while the heap has less
// than five times its size: a collection beside f takes the second processor
// from those who serve. The one that is due afterwards begins as soon as the
// target is back, and takes the old rules with it.
//
// A thread of low priority for f was tried and made it worse: the runtime waits
// for that thread, and everybody for the runtime.
func quietly(f func()) {
	defer debug.SetGCPercent(debug.SetGCPercent(gcTarget))
	f()
}
