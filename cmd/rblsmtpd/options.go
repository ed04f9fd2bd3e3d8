package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"doorward/acl/dnsbl"
	"doorward/launcher/reject"
)

// -R is part of the text, as it always was, though no option.
const usage = "rblsmtpd: usage: rblsmtpd [ -b ] [ -R ] [ -t timeout ] [ -r base ] [ -a base ] smtpd [ arg ... ]"

type options struct {
	steps   dnsbl.Rblsmtpd // -r -a -b -B -c -C, in their order
	timeout time.Duration  // -t: of a refused session
	atOnce  bool           // -t 0
	program []string       // what to run for a client that is not refused
}

// parseOptions reads the arguments after the program's name. Its errors are
// what rblsmtpd prints.
func parseOptions(args []string) (options, error) {
	o := options{timeout: reject.DefaultTimeout}
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		cluster := args[0][1:]
		args = args[1:]
		if cluster == "" || cluster[0] == '-' { // whatever follows the second hyphen
			break
		}
		var err error
		if args, err = o.cluster(cluster, args); err != nil {
			return o, err
		}
	}
	if len(args) == 0 {
		return o, errors.New(usage)
	}
	o.program = args
	return o, nil
}

// cluster reads the options in letters. The argument of the last one may be in
// args; cluster returns what it leaves of them.
func (o *options) cluster(letters string, args []string) ([]string, error) {
	for ; letters != ""; letters = letters[1:] {
		op := letters[0]
		switch op {
		case 'b', 'B', 'c', 'C':
			o.steps = append(o.steps, dnsbl.Step{Op: dnsbl.Op(op)})
			continue
		case 'r', 'a', 't':
		default:
			return nil, errors.New("rblsmtpd: illegal option -- " + letters[:1] + "\n" + usage)
		}
		value := letters[1:]
		if value == "" {
			if len(args) == 0 {
				return nil, errors.New("rblsmtpd: option requires an argument -- " + letters[:1] + "\n" + usage)
			}
			value, args = args[0], args[1:]
		}
		return args, o.argument(op, value)
	}
	return args, nil
}

// argument takes the argument of an option: seconds, or the zone of a list.
// Codes behind a zone are not in the original, which would ask for the name
// with the equals sign in it.
func (o *options) argument(op byte, value string) error {
	if op == 't' {
		seconds := leadingNumber(value)
		o.timeout, o.atOnce = time.Duration(seconds)*time.Second, seconds == 0
		return nil
	}
	step := dnsbl.Step{Op: dnsbl.Op(op), Base: value}
	if name, codes, ok := strings.Cut(value, "="); ok {
		c, err := dnsbl.ParseCodes(codes)
		if err != nil {
			return fmt.Errorf("rblsmtpd: -%c %q: %w", op, value, err)
		}
		step.Zone = &dnsbl.Zone{Name: name, Codes: c, Weight: 1}
		if op == 'a' {
			step.Zone.Weight = -1
		}
	}
	o.steps = append(o.steps, step)
	return nil
}

// leadingNumber returns the number that s begins with, 0 if there is none, and
// at most the 2^32-1 seconds of alarm(2).
func leadingNumber(s string) (n uint64) {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			break
		}
		n = min(n*10+uint64(c-'0'), 1<<32-1)
	}
	return n
}
