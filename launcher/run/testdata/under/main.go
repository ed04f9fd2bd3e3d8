// Command under starts a program in the way of its first argument, for the
// tests of where a program begins.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"doorward/acl"
	"doorward/launcher/run"
)

func main() {
	way, argv := os.Args[1], os.Args[2:]
	p := run.Program{Argv: argv}
	if len(argv) > 0 {
		p.Path = argv[0]
	}
	switch way {
	case "start":
		start(p)
	case "explicit":
		const dataSegment = 2
		p.Limits = []run.Limit{{Resource: dataSegment, Soft: 7 << 20, Hard: 8 << 20}}
		start(p)
	case "twist":
		h := run.Handover{Conn: 0}
		fmt.Fprint(os.Stderr, h.Apply(acl.Decision{Options: []acl.Option{{Key: "twist", Value: "exec cat /proc/self/limits"}}}))
		start(h.Program)
	case "spawn":
		h := run.Handover{Program: p}
		fmt.Fprint(os.Stderr, h.Apply(acl.Decision{Options: []acl.Option{{Key: "spawn", Value: "cat /proc/self/limits >" + argv[0]}}}), h.Warnings)
	case "processors":
		fmt.Print(runtime.GOMAXPROCS(0))
	case "exec again":
		missing := run.Program{Path: "/nonexistent"}
		fmt.Fprint(os.Stderr, missing.Exec(nil))
		grow()
		fallthrough
	case "exec":
		fmt.Fprint(os.Stderr, p.Exec(os.Environ()))
	case "exec busy":
		debug.SetGCPercent(-1) // all they get is new memory
		for range 4 {
			go func() {
				for {
					grow()
				}
			}()
		}
		time.Sleep(2 * time.Millisecond)
		fmt.Fprint(os.Stderr, p.Exec(os.Environ()))
	}
}

func start(p run.Program) {
	c, err := p.Start(1, os.Environ())
	if err == nil {
		_, err = c.Wait()
	}
	if err != nil {
		fmt.Fprint(os.Stderr, err)
	}
}

// grow needs more memory than the limits of the tests allow.
func grow() {
	blocks := make([][]byte, 100)
	for i := range blocks {
		blocks[i] = make([]byte, 1<<20)
	}
}
