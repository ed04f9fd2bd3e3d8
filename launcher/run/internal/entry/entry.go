// Package entry has the places where a program begins, before there is any Go,
// and remembers what they changed, so that programs which it starts do not get
// that. The linker is told which one to take:
//
//	go build -ldflags '-E doorward_rt0'
//	go build -ldflags '-E doorward_once_rt0'
//
// They exist on Linux for amd64 only. Built without that flag a program works as
// well, but not under low limits, and it starts less quickly.
//
// # Soft limits
//
// Two things raise the soft limits of this process:
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
// doorward_rt0 raises the limits of address space and data. softlimit(8) of
// daemontools, which stands before tcpserver in many a run script, sets them to
// some 9 MB for the daemon's sake, and Go, which reserves hundreds of megabytes
// of address space to use little of it, ends before its first line:
//
//	fatal error: failed to reserve page summary memory
//
// It raises both soft limits to the hard ones, which takes no privilege, notes
// what they were, and goes on to the Go runtime as if nothing had been. The
// stack and locked memory, which softlimit -m sets too, are enough for Go as
// they are, and so are passed on as they are.
//
// Two things remain as they are. Where the hard limit is too low, Go cannot run.
// And what the kernel maps of a program when it loads it, zeros and all, must
// fit under the soft limit, or it is killed there and then.
//
// # One processor
//
// doorward_once_rt0 does that as well, and is for programs that are started for
// each connection and live until they become another. While the Go runtime
// starts it wakes threads for goroutines that have nothing to do yet, and puts
// them to sleep again. With one processor (GOMAXPROCS=1) it does not, which the
// runtime takes from the environment or not at all; where that and the arguments
// are more than some 450 strings, they stay as they are. tcpd, from its start to
// that of a daemon that only exits, took 2117 us of processor time and takes 1798
// (medians, side by side). Its stack grows at once, too (see growStack).
package entry

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

// raised is where doorward_rt0 leaves what it raised, data first: zero where it
// raised nothing, or did not run. It has no initial value in Go, since that
// would take the place of what is there by then.
var raised [2]limit

// alone is 1 after doorward_once_rt0 has put GOMAXPROCS=1 into the environment.
var alone uint64

// Alone reports that GOMAXPROCS is in the environment and was not when the
// program was started: it is nobody else's.
func Alone() bool { return alone != 0 }

// atInit is the limit of open files, zero if it is not known.
var atInit = openFiles()

// Original returns the soft limit of a resource that this process began with.
// Not known means that nobody has raised it, or that nobody noted what it was.
func Original(resource int) (soft uint64, known bool) {
	var l limit
	switch resource {
	case data:
		l = raised[0]
	case addressSpace:
		l = raised[1]
	case files:
		l = atInit
	}
	return l.soft, l.hard != 0
}
