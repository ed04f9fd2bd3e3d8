package nofile

func prlimit(old *Limit) (failed uintptr)

func read() (l Limit) {
	if prlimit(&l) != 0 {
		return Limit{}
	}
	return l
}
