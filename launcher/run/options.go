package run

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"doorward/acl"
)

// A Handover is a program about to get a connection, and all that the options
// of a decision (hosts_options(5)) may change about that: the program itself,
// the socket, what is said and what is run before. It serves tcpd, which
// becomes the program, and a superdaemon, which starts it as a child, alike.
type Handover struct {
	Program Program  // what to run; umask, nice, user, group and twist change it
	Conn    int      // the descriptor of the connection
	Daemon  string   // name of the file with the daemon's banner
	Env     []string // the environment before the decision's

	// Expand expands the %-sequences in a line of a banner. Nil leaves them.
	Expand func(line string) (string, error)

	// Limit bounds how long a command of spawn or aclexec may take, before it
	// is killed with what it started. 0 means as long as it likes, as libwrap
	// has it. Only this connection waits for it.
	Limit time.Duration

	Severity string  // set by severity: what to log the connection with; "" as usual
	Twisted  bool    // set by twist: Program is the rule's command, and runs whatever the verdict
	Warnings []error // what went wrong without keeping the client out

	grouped bool // group has named the group: user leaves it alone
}

// ErrRefused is what Apply returns when a command of aclexec said no.
var ErrRefused = errors.New("refused by aclexec")

// An OptionError is an option that could not be carried out. The client must
// not be let in then.
type OptionError struct {
	Option acl.Option
	Err    error
}

func (e *OptionError) Error() string {
	return "option " + strconv.Quote(e.Option.Key) + ": " + e.Err.Error()
}

func (e *OptionError) Unwrap() error { return e.Err }

// Apply carries out the options of d in the order of the rules, up to the first
// that fails; its deeds before that stay done. The error is ErrRefused or
// an *OptionError; either way the client stays out.
func (h *Handover) Apply(d acl.Decision) error {
	for _, o := range d.Options {
		do, ok := options[o.Key]
		if !ok {
			return &OptionError{o, errors.New("not an option")}
		}
		err := do(h, o.Value, Environ(h.Env, d.Env[:o.Env]))
		if err == ErrRefused {
			return err
		}
		if err != nil {
			return &OptionError{o, err}
		}
	}
	return nil
}

// options says how each option is carried out: its value and the environment
// that a command of it gets.
var options = map[string]func(h *Handover, value string, env []string) error{
	"aclexec":   (*Handover).aclexec,
	"banners":   (*Handover).banners,
	"group":     (*Handover).group,
	"keepalive": (*Handover).keepalive,
	"linger":    (*Handover).linger,
	"nice":      (*Handover).nice,
	"severity":  (*Handover).severity,
	"spawn":     (*Handover).spawn,
	"twist":     (*Handover).twist,
	"umask":     (*Handover).umask,
	"user":      (*Handover).user,

	// The dialect has dealt with these while deciding: with the verdict, the
	// environment, and by asking for the user.
	"allow":  (*Handover).decided,
	"deny":   (*Handover).decided,
	"setenv": (*Handover).decided,
	"rfc931": (*Handover).decided,
}

func (h *Handover) decided(string, []string) error { return nil }

// warn notes what libwrap would log and go on.
func (h *Handover) warn(err error) {
	if err != nil {
		h.Warnings = append(h.Warnings, err)
	}
}

func (h *Handover) keepalive(string, []string) error {
	h.warn(os.NewSyscallError("setsockopt SO_KEEPALIVE", unix.SetsockoptInt(h.Conn, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)))
	return nil
}

// linger takes seconds; 0 turns it off.
func (h *Handover) linger(value string, _ []string) error {
	n, err := number(value, 10, 1<<31-1)
	if err != nil {
		return err
	}
	l := unix.Linger{Linger: int32(n)}
	if n > 0 {
		l.Onoff = 1
	}
	h.warn(os.NewSyscallError("setsockopt SO_LINGER", unix.SetsockoptLinger(h.Conn, unix.SOL_SOCKET, unix.SO_LINGER, &l)))
	return nil
}

// nice takes the step, 10 unless told, as nice(1).
func (h *Handover) nice(value string, _ []string) error {
	if value == "" {
		h.Program.Nice += 10
		return nil
	}
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil {
		return badValue(value, err)
	}
	h.Program.Nice += max(-40, min(int(n), 40)) // all there is, from one end to the other
	return nil
}

func (h *Handover) severity(value string, _ []string) error {
	h.Severity = value
	return nil
}

func (h *Handover) umask(value string, _ []string) error {
	n, err := number(value, 8, 0o777)
	if err != nil {
		return err
	}
	h.Program.Umask = &n
	return nil
}

// user takes NAME or NAME.GROUP. The user comes with the groups it is in: to
// leave the supplementary groups of root to it would be no favour.
func (h *Handover) user(value string, _ []string) error {
	name, group, found := strings.Cut(value, ".")
	if found {
		if err := h.group(group, nil); err != nil {
			return err
		}
	}
	if _, err := id(name); err == nil {
		return &UnknownError{"user", name} // a number is no name here
	}
	u, err := LookupUser(name)
	if err != nil {
		return err
	}
	c := u.Credential()
	if h.grouped {
		c.GID = h.Program.Cred.GID
	}
	h.Program.Cred = c
	return nil
}

// group changes the group and nothing else, as setgid(2).
func (h *Handover) group(value string, _ []string) error {
	if _, err := id(value); err == nil {
		return &UnknownError{"group", value}
	}
	gid, err := LookupGroup(value)
	if err != nil {
		return err
	}
	c := Credential{KeepUser: true, KeepGroups: true}
	if h.Program.Cred != nil {
		c = *h.Program.Cred
	}
	c.GID = gid
	h.Program.Cred, h.grouped = &c, true
	return nil
}

// twist puts a command in place of the program, with the connection on all
// three descriptors.
func (h *Handover) twist(command string, _ []string) error {
	h.Program = h.shell(command)
	h.Program.Stderr = StderrSocket
	h.Twisted = true
	return nil
}

// number reads a number from 0 to most.
func number(s string, base, most int) (int, error) {
	n, err := strconv.ParseInt(s, base, 32)
	if err == nil && (n < 0 || n > int64(most)) {
		err = strconv.ErrRange
	}
	return int(n), badValue(s, err)
}

// badValue makes an error of package strconv one about an option.
func badValue(s string, err error) error {
	if err == nil {
		return nil
	}
	return errors.New("bad value " + strconv.Quote(s))
}
