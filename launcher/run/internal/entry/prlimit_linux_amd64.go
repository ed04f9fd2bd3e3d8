package entry

func prlimit(resource uintptr, old *limit) (failed uintptr)

func openFiles() (l limit) {
	if prlimit(files, &l) != 0 {
		return limit{}
	}
	return l
}
