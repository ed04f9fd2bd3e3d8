// Package softlimit remembers the soft limits that this process began with,
// where they have been raised since, so that programs it starts get those.
//
// Two things raise them:
//
// Package syscall raises the limit of open files when a program starts
// (go.dev/issue/46279), and keeps the original to itself, to give it back to
// children of its own ForkExec. A child with a high limit is not only
// unexpected: programs that close every descriptor up to the limit take
// seconds over it. Whoever starts children another way must have looked before
// package syscall was initialised. The language says how (Package
// initialization): packages are initialised in the order of their import
// paths, as soon as what they import is. This one imports nothing, and
// "doorward/..." comes before "syscall".
//
// The entry point doorward_rt0 raises the limits of address space and data.
// softlimit(8) of daemontools, which stands before tcpserver in many a run
// script, sets them to some 9 MB for the daemon's sake, and Go, which reserves
// hundreds of megabytes of address space to use little of it, ends before its
// first line:
//
//	fatal error: failed to reserve page summary memory
//
// So the processor starts a program at doorward_rt0 instead of at the Go
// runtime, if the linker was told to:
//
//	go build -ldflags '-E doorward_rt0'
//
// It raises both soft limits to the hard ones, which takes no privilege, notes
// what they were, and goes on to the runtime as if nothing had been. Built
// without that flag a program works as well, but not under such limits. The
// entry point exists on Linux for amd64 only. The stack and locked memory,
// which softlimit -m sets too, are enough for Go as they are, and so are passed
// on as they are.
//
// Two things remain as they are. Where the hard limit is too low, Go cannot run.
// And what the kernel maps of a program when it loads it, zeros and all, must
// fit under the soft limit, or it is killed there and then.
package softlimit

// The resources that may have been raised, by their numbers in getrlimit(2),
// which are the same wherever doorward_rt0 exists. This package cannot
// import them.
const (
	data         = 2
	files        = 7
	addressSpace = 9
)

// Resources are those that Original knows of.
var Resources = [...]int{data, addressSpace, files}

// limit is struct rlimit64.
type limit struct{ soft, hard uint64 }

// entry is where doorward_rt0 leaves what it raised, data first: zero where it
// raised nothing, or did not run. It has no initial value in Go, since that
// would take the place of what is there by then.
var entry [2]limit

// atInit is the limit of open files, zero if it is not known.
var atInit = openFiles()

// Original returns the soft limit of a resource that this process began with.
// Not known means that nobody has raised it, or that nobody noted what it was.
func Original(resource int) (soft uint64, known bool) {
	var l limit
	switch resource {
	case data:
		l = entry[0]
	case addressSpace:
		l = entry[1]
	case files:
		l = atInit
	}
	return l.soft, l.hard != 0
}
