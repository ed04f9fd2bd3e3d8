//go:build linux

// Package sandbox runs programs in a world of their own, so that a test can ask
// an installed original and ours the same question: they see an /etc of the
// test's making and no network but an empty loopback interface, and what they
// tell syslog is heard.
//
// The world is a process in new mount and network namespaces, and goes away
// with it. It is the test binary itself, started again, so that TestMain begins
// with [Main]. It needs root.
package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// A Command is a program to run.
type Command struct {
	Args []string // its path first
	Dir  string
	Env  []string
}

// A Result is what came of a Command.
type Result struct {
	Stdout, Stderr string
	Log            []string // what it told syslog: "program: text", without blanks at the end
	Code           int      // exit status
}

// order is what the process inside reads from its standard input.
type order struct {
	Etc      map[string]string // files below /etc
	Commands []Command
}

const inside = "DOORWARD_TEST_SANDBOX"

// Run runs commands one after the other in a new world with these files below
// /etc.
func Run(etc map[string]string, commands ...Command) ([]Result, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	in, err := json.Marshal(order{etc, commands})
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	cmd.Stdin = bytes.NewReader(in)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("sandbox: %v: %s", err, errs.Bytes())
	}
	var results []Result
	return results, json.Unmarshal(out.Bytes(), &results)
}

// Main is the process inside, and does not return there. Elsewhere it does
// nothing.
func Main() {
	if os.Getenv(inside) == "" {
		return
	}
	os.Unsetenv(inside)
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}
