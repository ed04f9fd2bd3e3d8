package entry

// growStack makes the stack of the goroutine that calls it as large as it is to
// be: it does nothing, with a large frame.
func growStack()

// A stack begins with 2 kB, and was copied four times until a program had
// decided about its connection, each time with all the calls on it; to find
// those means to read tables of the executable that nobody else needs. This is
// the first package to be initialised, when there are few calls, and on the
// stack that main will have. tcpd took 2089 us of processor time and takes 1823.
func init() {
	if Alone() {
		growStack()
	}
}
