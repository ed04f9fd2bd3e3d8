// Command tcpdmatch tells what tcpd would do about a client.
//
// See tcpdmatch(8).
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"doorward/acl"
	"doorward/cmd/internal/getopt"
	"doorward/cmd/internal/inetdconf"
	"doorward/cmd/internal/question"
)

const (
	usage = "usage: tcpdmatch [-d] [-i inet_conf] daemon[@host] [user@]host\n" +
		"\t-d: use allow/deny files in current directory\n" +
		"\t-i: location of inetd.conf file\n"

	defaultInetd = "/etc/inetd.conf"
	lookupLimit  = 30 * time.Second // for all names together
)

func main() {
	err := tcpdmatch(os.Args[1:], os.Stdout)
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, err)
	var usageError *getopt.Error
	if errors.As(err, &usageError) {
		fmt.Fprint(os.Stderr, usage)
	}
	os.Exit(1)
}

// errUsage is usage as an error, without its last newline.
var errUsage = errors.New(usage[:len(usage)-1])

// An oracle answers questions on out.
type oracle struct {
	out         io.Writer
	inetd       string
	allow, deny *table
}

func tcpdmatch(args []string, out io.Writer) error {
	o := oracle{out: out}
	dir := "/etc/"
	options := getopt.Options{Program: "tcpdmatch", Letters: "di:", Set: func(option, value string) error {
		switch option {
		case "d":
			dir = ""
		case "i":
			o.inetd = value
		}
		return nil
	}}
	rest, err := options.Parse(args)
	if err != nil {
		return err
	}
	if len(rest) != 2 {
		return errUsage
	}
	q := question.Parse(rest[0], rest[1])
	if err := o.daemon(&q); err != nil {
		return err
	}
	o.allow, o.deny = readTable(dir+"hosts.allow"), readTable(dir+"hosts.deny")
	return o.answer(q)
}

// daemon brings the name of the daemon into the form tcpd knows it by, and
// looks for it in inetd.conf.
func (o *oracle) daemon(q *question.Question) error {
	if name := question.ProcessName(q.Daemon); name != q.Daemon {
		o.warn(q.Daemon + ": daemon name normalized to: " + name)
		q.Daemon = name
	}
	file := o.inetd
	if file == "" {
		file = defaultInetd
	}
	src, err := os.ReadFile(file)
	switch {
	case err != nil && o.inetd != "":
		return err
	case err != nil: // most machines have none
		return nil
	}
	daemons, errs := inetdconf.Parse(file, string(src), os.Stat)
	o.warnAll(errors.Join(errs...))
	if fault := daemons.Fault(q.Daemon, file); fault != "" {
		o.warn(q.Daemon + ": " + fault)
	}
	return nil
}

// answer answers for each address of the client.
func (o *oracle) answer(q question.Question) error {
	ctx, cancel := context.WithTimeout(context.Background(), lookupLimit)
	defer cancel()
	server, err := o.server(ctx, q.Server)
	if err != nil {
		return err
	}
	clients, err := o.hosts(ctx, q.Client)
	if err != nil {
		return err
	}
	for i, client := range clients {
		if i > 0 {
			fmt.Fprintln(o.out)
		}
		if client.Resolved {
			client.Name = o.nameOf(ctx, client)
		}
		o.judge(q, server, client)
	}
	return nil
}

// server finds the one address of the server, and its name.
func (o *oracle) server(ctx context.Context, word string) (question.Host, error) {
	all, err := o.hosts(ctx, word)
	switch {
	case err != nil:
		return question.Host{}, err
	case len(all) > 1:
		//lint:ignore ST1005 these are the words of the original
		return question.Host{}, fmt.Errorf("Error: %s has more than one address\nPlease specify an address instead", word)
	}
	h := all[0]
	if h.Addr.IsValid() {
		h.Name = o.nameOf(ctx, h)
	}
	return h, nil
}

// hosts finds the hosts that word means, and says so if it is not their name.
func (o *oracle) hosts(ctx context.Context, word string) ([]question.Host, error) {
	all, err := question.Hosts(ctx, word)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", word, err)
	}
	if name := all[0].Name; name != "" && !strings.EqualFold(name, word) {
		o.warn(word + ": hostname alias")
		o.warn("(official name: " + name + ")")
	}
	return all, nil
}

// nameOf is the name that tcpd finds for an address.
func (o *oracle) nameOf(ctx context.Context, h question.Host) string {
	name := question.NameOf(ctx, h.Addr, o.warn)
	if name == "" {
		o.warn("host address " + acl.AddrText(h.Addr) + "->name lookup failed")
	}
	return name
}
