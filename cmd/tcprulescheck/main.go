// Command tcprulescheck shows what rules for tcpserver say about a client.
//
// See tcprulescheck(1).
package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"syscall"

	"doorward/acl"
	rules "doorward/acl/tcprules"
	"doorward/cmd/internal/errtext"
)

const (
	exitUsage = 100 // the command is wrong
	exitFault = 111 // the rules cannot be read
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "tcprulescheck: usage: tcprulescheck rules.cdb")
		os.Exit(exitUsage)
	}
	r, err := load(os.Args[1])
	if err != nil {
		fmt.Fprintf(os.Stderr, "tcprulescheck: fatal: unable to read %s: %s\n", os.Args[1], errtext.Of(err))
		os.Exit(exitFault)
	}
	ip, ok := os.LookupEnv("TCPREMOTEIP")
	if !ok {
		ip = "0.0.0.0"
	}
	show(r, ip, client())
}

// load reads rules, compiled or as text. What it says is wrong with them is
// printed here: the original calls all of it a protocol error.
func load(name string) (*rules.Rules, error) {
	src, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if len(src) == 0 {
		return nil, syscall.EINVAL // nothing to map into memory
	}
	r, err := rules.Load(name, string(src))
	if err != nil {
		fmt.Fprintln(os.Stderr, "tcprulescheck:", err)
		return nil, errors.Join(err, syscall.EPROTO)
	}
	return r, nil
}

// client is whoever the environment says that it is.
func client() *acl.Request {
	var q acl.Request
	for name, kind := range map[string]acl.Kind{"TCPREMOTEHOST": acl.Name, "TCPREMOTEINFO": acl.Ident} {
		if text, ok := os.LookupEnv(name); ok {
			q.Learn(kind, "", acl.Answer{Status: acl.Found, Text: text})
		}
	}
	return &q
}

func show(r *rules.Rules, ip string, q *acl.Request) {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	key, d, ok := r.Lookup(ip, q)
	if ok {
		fmt.Fprintf(out, "rule %s:\n", key)
	} else {
		fmt.Fprintln(out, "default:")
	}
	for _, v := range d.Env {
		fmt.Fprintf(out, "set environment variable %s=%s\n", v.Name, v.Value)
	}
	if d.Verdict == acl.Deny {
		fmt.Fprintln(out, "deny connection")
	} else {
		fmt.Fprintln(out, "allow connection")
	}
}
