// Package nofile remembers the limit of open files that this process began
// with.
//
// Package syscall raises the soft limit to the hard one when a program starts
// (go.dev/issue/46279), and keeps the original to itself, to give it back to
// children of its own ForkExec. A child with a high limit is not only
// unexpected: programs that close every descriptor up to the limit take
// seconds over it.
//
// Whoever starts children another way must have looked before package syscall
// was initialised. The language says how (Package initialization): packages
// are initialised in the order of their import paths, as soon as what they
// import is. This one imports nothing, and "doorward/..." comes before
// "syscall". A test compares the answer with what a child of ForkExec sees.
package nofile

// Limit is struct rlimit64: the soft and the hard limit.
type Limit struct{ Cur, Max uint64 }

// Original is the limit that the process began with. Its zero value means
// that it is not known.
var Original = read()
