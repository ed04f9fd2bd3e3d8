//go:build linux

// Box replays recorded connections inside namespaces of its own. It is started
// by package netbox as the first process of new network, mount and process
// namespaces, so that nothing it does can be seen outside and everything it
// starts ends with it.
//
// It makes a small world (private /etc, /dev, /srv and /usr/sbin, a loopback
// interface), then reads a [record.Case] as JSON from each line of standard
// input, brings the world into the state of the case, plays it and writes the
// [record.Result] as a line of JSON to standard output.
//
// Usage: box PATH=FILE ... ; each FILE is installed as PATH, where cases and
// programs look for it.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"syscall"

	"doorward/cmd/internal/netbox/record"

	"golang.org/x/sys/unix"

	"doorward/launcher/run"
)

func main() {
	if err := box(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "box:", err)
		os.Exit(1)
	}
}

func box(install []string, in io.Reader, out io.Writer) error {
	if os.Getpid() != 1 {
		return fmt.Errorf("not the first process of a namespace")
	}
	// Whatever the test was started with must not reach the daemons.
	run.DefaultSignals()
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return err
	}
	if err := errors.Join(unix.Setgroups(nil), usualLimit()); err != nil {
		return err
	}
	w, err := newWorld(install)
	if err != nil {
		return err
	}
	requests, answers := bufio.NewScanner(in), json.NewEncoder(out)
	requests.Buffer(nil, 1<<20)
	for requests.Scan() {
		c := new(record.Case)
		if err := json.Unmarshal(requests.Bytes(), c); err != nil {
			return err
		}
		if err := answers.Encode(w.replay(c)); err != nil {
			return err
		}
	}
	return requests.Err()
}

// usualLimit sets the soft limit of descriptors to what systems usually have.
// A program in Go raises its own to the hard limit; if a daemon then gets the
// raised one, select(2) can fail in it, and the difference shows.
func usualLimit() error {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return err
	}
	l.Cur = min(1024, l.Max)
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l)
}
