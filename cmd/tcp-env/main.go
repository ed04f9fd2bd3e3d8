// Command tcp-env sets the variables of tcp-environ(5) for the connection on
// descriptor 0 and runs a program: tcp-env(1) of notqmail, for IPv6 as well.
package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"doorward/acl"
	"doorward/launcher/lookup"
	"doorward/launcher/run"
	"doorward/launcher/sock"
	"doorward/launcher/ucspi"
)

// exitTemporary is the status of a program that may do better next time. The
// client is on descriptor 2 as well under inetd, so nothing is written there.
const exitTemporary = 111

func main() {
	if err := tcpEnv(os.Args[1:]); err != nil {
		os.Exit(exitTemporary)
	}
}

var errNoProgram = errors.New("no program to run")

// tcpEnv returns only if something failed.
func tcpEnv(args []string) error {
	o, argv := parse(args)
	if len(argv) == 0 {
		return errNoProgram
	}
	env := os.Environ()
	if os.Getenv("PROTO") != "TCP" {
		r, err := request()
		if err != nil {
			return err
		}
		lookup.UCSPI{Wait: o.wait}.TCPEnv().Attach(context.Background(), r, 0)
		if env, err = ucspi.TCPEnv.Environ(env, r, nil, o.facts()...); err != nil {
			return err
		}
	}
	return execute(argv, env)
}

// request is the connection on descriptor 0. A datagram socket without a peer
// has none, though a datagram may wait in it.
func request() (*acl.Request, error) {
	if _, err := unix.Getpeername(0); err != nil {
		return nil, err
	}
	return sock.FromFD(0, "tcp-env")
}

// options are those of the command line.
type options struct {
	ident bool
	wait  time.Duration // for an ident reply
}

// parse reads the options up to the program. Of -r and -R the last one
// counts, and an option that does not exist is passed over, as tcp-env always
// did.
func parse(args []string) (o options, argv []string) {
	o = options{ident: true, wait: 30 * time.Second}
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' {
		cluster := args[0][1:]
		args = args[1:]
		if cluster == "-" {
			break
		}
		args = o.cluster(cluster, args)
	}
	return o, args
}

// cluster reads the options of one word. It returns the words after it, less
// the one that -t took.
func (o *options) cluster(letters string, rest []string) []string {
	for i := range len(letters) {
		switch letters[i] {
		case 'r':
			o.ident = true
		case 'R':
			o.ident = false
		case 't':
			if attached := letters[i+1:]; attached != "" {
				o.wait = seconds(attached)
			} else if len(rest) > 0 {
				o.wait, rest = seconds(rest[0]), rest[1:]
			}
			return rest
		}
	}
	return rest
}

// seconds reads the digits in front; without any there is no time.
func seconds(s string) time.Duration {
	const most = 1 << 31
	n := int64(0)
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			break
		}
		n = min(10*n+int64(c-'0'), most)
	}
	return time.Duration(n) * time.Second
}

// facts are the ones to find out, in this order.
func (o options) facts() []acl.Kind {
	if o.ident {
		return []acl.Kind{acl.LocalName, acl.Name, acl.Ident}
	}
	return []acl.Kind{acl.LocalName, acl.Name}
}

// execute runs a program in place of this one, found as execvp(3) finds it.
func execute(argv, env []string) error {
	if strings.Contains(argv[0], "/") {
		return attempt(argv[0], argv, env)
	}
	path, ok := os.LookupEnv("PATH")
	if !ok {
		path = "/bin:/usr/bin"
	}
	err := error(unix.ENOENT)
	for _, dir := range strings.Split(path, ":") {
		if dir == "" {
			dir = "."
		}
		file := dir + "/" + argv[0]
		if unix.Access(file, unix.X_OK) != nil {
			continue
		}
		if err = attempt(file, argv, env); !errors.Is(err, unix.EACCES) {
			return err // EACCES is a directory of that name
		}
	}
	return err
}

// attempt runs the file, or has the shell read it if it is a script that does
// not say by whom.
func attempt(file string, argv, env []string) error {
	err := (&run.Program{Path: file, Argv: argv}).Exec(env)
	if errors.Is(err, unix.ENOEXEC) {
		script := append([]string{"/bin/sh", file}, argv[1:]...)
		err = (&run.Program{Path: script[0], Argv: script}).Exec(env)
	}
	return err
}
