package main

import (
	"errors"
	"os"
	"strings"
	"syscall"

	"doorward/launcher/run"
)

// defaultPath is where programs are looked for without PATH.
const defaultPath = "/bin:/usr/bin"

// pathExec runs argv in place of this process, found by PATH as rblsmtpd finds
// it: a directory that lacks the program, or has something there that may not
// be run, is passed over, and any other error ends the search. It returns the
// error that says most.
func pathExec(argv []string, env []string) error {
	file := argv[0]
	if strings.Contains(file, "/") {
		return execute(file, argv, env)
	}
	path, ok := os.LookupEnv("PATH")
	if !ok {
		path = defaultPath
	}
	var best error = syscall.ENOENT
	for dir := range strings.SplitSeq(path, ":") {
		if dir == "" {
			dir = "."
		}
		switch err := execute(dir+"/"+file, argv, env); err {
		case syscall.ENOENT:
		case syscall.EACCES, syscall.EPERM, syscall.EISDIR:
			best = err
		default:
			return err
		}
	}
	return best
}

// execute returns the plain error number of an exec that failed.
func execute(path string, argv, env []string) error {
	err := (&run.Program{Path: path, Argv: argv}).Exec(env)
	var number syscall.Errno
	if errors.As(err, &number) {
		return number
	}
	return err
}

// describe names an error of exec as the original does; logs are searched for
// these words.
func describe(err error) string {
	switch err {
	case syscall.ENOENT:
		return "file does not exist"
	case syscall.EACCES:
		return "access denied"
	case syscall.EPERM:
		return "permission denied"
	case syscall.ELOOP:
		return "symbolic link loop"
	case syscall.ETXTBSY:
		return "text busy"
	}
	return err.Error() // the others are the same in Go
}
