package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"

	"doorward/acl/dnsbl"
	"doorward/cmd/internal/getopt"
	"doorward/launcher"
)

const usage = "tcpserver: usage: tcpserver [ -461UXpPhHrRoOdDqQv ] [ -c limit ] [ -x rules.cdb ] [ -B banner ] [ -g gid ] [ -u uid ] [ -b backlog ] [ -l localname ] [ -t timeout ] [ -I interface ] host port program"

// options are the command line.
type options struct {
	host, port string
	program    []string

	ipv4, ipv6 bool // -4, -6
	printPort  bool // -1
	limit      int  // -c
	backlog    int  // -b
	iface      string

	perSource int           // --per-source; 0: none
	rate      launcher.Rate // --rate

	rules    string       // -x; empty: none
	openDoor bool         // -X: a missing file of rules lets everybody in
	words    []string     // --rules: asked after -x
	lists    *dnsbl.Lists // of those, dnsbl: and dnswl:, asked last; nil: none
	banner   string       // -B

	uid, gid *uint32 // -u, -g, -U

	localName   *string // -l; nil: look it up
	remoteName  bool    // -h, -H
	paranoid    bool    // -p, -P
	user        bool    // -r, -R
	userSeconds int     // -t
	noDelay     bool    // -d, -D

	verbosity verbosity
	json      bool // --log-format json
}

// A verbosity says what goes to the log.
type verbosity uint8

const (
	quiet   verbosity = iota // -q: nothing
	errs                     // -Q: what goes wrong
	verbose                  // -v: each connection
)

var errUsage = errors.New(usage)

// defaultBacklog is as many waiting clients as the kernel lets a socket have.
// The original has room for 20: when more come at once, the kernel drops what
// they send, and they try again after a second, after three, after seven.
const defaultBacklog = 4096

// parseOptions reads the arguments after the program's name. Its errors are
// for the reader of a terminal, and mean exit status 100.
func parseOptions(args []string) (options, error) {
	o := options{limit: 40, backlog: defaultBacklog, userSeconds: 26, remoteName: true, user: true, verbosity: errs}
	parser := getopt.Options{Program: "tcpserver", Letters: "461UXpPhHrRoOdDqQvc:x:B:g:u:b:l:t:I:", Long: "per-source rate rules log-format", Set: o.set}
	rest, err := parser.Parse(args)
	var unknown *getopt.Error
	if errors.As(err, &unknown) {
		return o, fmt.Errorf("%w\n%s", err, usage)
	}
	if err != nil {
		return o, err
	}
	if len(rest) < 3 {
		return o, errUsage
	}
	o.host, o.port, o.program = rest[0], rest[1], rest[2:]
	if o.lists, o.words, err = dnsLists(o.words); err != nil {
		return o, fmt.Errorf("tcpserver: %w", err)
	}
	return o, nil
}

func (o *options) set(option, value string) error {
	if toggle, ok := toggles[option]; ok {
		toggle(o)
		return nil
	}
	var err error
	switch option {
	case "x":
		o.rules = value
	case "B":
		o.banner = value
	case "l":
		o.localName = &value
	case "I":
		o.iface = value
	case "u":
		o.uid, err = id(option, value)
	case "g":
		o.gid, err = id(option, value)
	case "U":
		err = o.idsFromEnvironment()
	case "c":
		o.limit, err = positive("-c", value)
	case "b":
		o.backlog = number(value)
	case "t":
		o.userSeconds = number(value)
	case "per-source":
		o.perSource, err = positive("--per-source", value)
	case "rate":
		if o.rate, err = launcher.ParseRate(value); err != nil {
			err = fmt.Errorf("tcpserver: --rate %w", err)
		}
	case "rules":
		o.words = append(o.words, strings.Fields(value)...)
	case "log-format":
		o.json = value == "json"
		if !o.json && value != "text" {
			err = fmt.Errorf("tcpserver: --log-format %q: want text or json", value)
		}
	}
	return err
}

var toggles = map[string]func(*options){
	"4": func(o *options) { o.ipv4 = true },
	"6": func(o *options) { o.ipv6 = true },
	"1": func(o *options) { o.printPort = true },
	"X": func(o *options) { o.openDoor = true },
	"p": func(o *options) { o.paranoid = true },
	"P": func(o *options) { o.paranoid = false },
	"h": func(o *options) { o.remoteName = true },
	"H": func(o *options) { o.remoteName = false },
	"r": func(o *options) { o.user = true },
	"R": func(o *options) { o.user = false },
	"o": func(*options) {}, // IP options: Linux hands them on or drops them, whatever a server says
	"O": func(*options) {},
	"d": func(o *options) { o.noDelay = false },
	"D": func(o *options) { o.noDelay = true },
	"q": func(o *options) { o.verbosity = quiet },
	"Q": func(o *options) { o.verbosity = errs },
	"v": func(o *options) { o.verbosity = verbose },
}

// id reads a user or group number. The original takes a name for 0, and so
// runs as root what was meant to run as somebody else.
func id(option, value string) (*uint32, error) {
	if value == "" || strings.Trim(value, "0123456789") != "" {
		return nil, fmt.Errorf("tcpserver: -%s %q: want a number", option, value)
	}
	n := number(value)
	if uint64(n) >= 1<<32-1 {
		return nil, fmt.Errorf("tcpserver: -%s %q: not a user or group", option, value)
	}
	v := uint32(n)
	return &v, nil
}

// idsFromEnvironment is -U, for envuidgid(8).
func (o *options) idsFromEnvironment() (err error) {
	if v, ok := os.LookupEnv("UID"); ok {
		if o.uid, err = id("U, UID", v); err != nil {
			return err
		}
	}
	if v, ok := os.LookupEnv("GID"); ok {
		o.gid, err = id("U, GID", v)
	}
	return err
}

// positive reads a number above 0. The original takes anything else for a
// limit of 0, and then accepts nobody.
func positive(option, value string) (int, error) {
	if n := number(value); n > 0 {
		return n, nil
	}
	return 0, fmt.Errorf("tcpserver: %s %q: want a number above 0", option, value)
}

// number reads the digits that s begins with, as the original does; none are
// 0.
func number(s string) int {
	n := int64(0)
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			break
		}
		n = min(n*10+int64(c-'0'), 1<<40)
	}
	return int(min(n, math.MaxInt))
}
