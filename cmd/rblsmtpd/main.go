// Rblsmtpd refuses mail from clients that DNS lists have, and runs the mail
// server for the others. It is started by tcpserver or the like, with the
// connection on descriptors 0 and 1 and TCPREMOTEIP in the environment; see
// rblsmtpd(1).
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"doorward/acl"
	"doorward/acl/dnsbl"
	"doorward/launcher/reject"
)

// Exit codes. A supervisor and tcpserver take 100 for a mistake that stays and
// 111 for one that may pass.
const (
	exitUsage = 100
	exitFatal = 111
)

func main() {
	o, err := parseOptions(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitUsage)
	}
	r := request()
	if d := o.steps.Decide(r); d.Verdict == acl.Deny {
		refuse(d.Reply, o)
		return
	}
	err = pathExec(o.program, os.Environ())
	fmt.Fprintf(os.Stderr, "rblsmtpd: fatal: unable to run %s: %s\n", o.program[0], describe(err))
	os.Exit(exitFatal)
}

// request is the client as the environment has it.
func request() *acl.Request {
	r := &acl.Request{Daemon: "rblsmtpd"}
	if v, ok := os.LookupEnv("RBLSMTPD"); ok {
		r.Env = []acl.Setenv{{Name: "RBLSMTPD", Value: v}}
		return r // it decides; no resolver is needed
	}
	r.Ask = newLists(os.Getenv("TCPREMOTEIP")).ask
	return r
}

// refuse logs the refusal and plays it on descriptors 0 and 1.
func refuse(reply acl.Reply, o options) {
	ip := dnsbl.Printable(os.Getenv("TCPREMOTEIP"), 100)
	fmt.Fprintf(os.Stderr, "rblsmtpd: %s pid %d: %s\n", ip, os.Getpid(), reject.Line(reply))

	// Descriptor 0 came from outside and knows no deadline.
	if !o.atOnce {
		time.AfterFunc(o.timeout, func() { os.Exit(0) })
	}
	err := reject.SMTP(stdio{os.Stdin, os.Stdout}, reply, reject.Options{AtOnce: o.atOnce})
	if errors.Is(err, reject.ErrTooMuch) {
		fmt.Fprintf(os.Stderr, "rblsmtpd: %s pid %d: %v\n", ip, os.Getpid(), err)
	}
}

type stdio struct {
	io.Reader
	io.Writer
}
