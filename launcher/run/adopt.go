package run

// Adopt returns a child of this process that another program in it started,
// before it became this one (execve(2) keeps children). Whoever knows the
// number must know that it has not been waited for: then it still is the
// child's, even if it has ended.
func Adopt(pid int) *Child {
	c := &Child{PID: pid}
	children.begin()
	children.end(c)
	return c
}
