//go:build !linux || !amd64 || forkexec

package run

func haveVfork() bool { return false }

func vforkExec(p *Program, fds [3]int, env []string) (pid int, err error) {
	return forkExec(p, fds, env)
}
