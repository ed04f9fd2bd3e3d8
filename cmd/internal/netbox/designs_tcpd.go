//go:build linux

package netbox

import (
	"os/user"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"doorward/cmd/internal/netbox/record"
)

// TCPD are the intended differences of tcpd. The first that a replay agrees
// with counts.
var TCPD = []Design{
	{"USER-OPT", "user and group take effect; the original checks the names and stays root", becomeUser},
	{"ACLEXEC", "a failed aclexec keeps the client out; in the original it only voids the rule", refuseFailed},
	{"ACLEXEC", "a failed aclexec keeps the client out; in the original allow after it does not care", refuseIgnored},
	{"ACLEXEC", "the descriptors of aclexec are /dev/null; in the original its output goes to the client", keepOutput},
	{"NONL LONGLINE", "a last line without newline, or a long one, counts as written; in the original the rest of the table is lost", grantAsWritten},
	{"WILD-NUMERIC", "a numeric wildcard is about addresses; in the original a name can match it", refuseNumericName},
	{"V6-BADLEN", "an IPv6 prefix of no length grants nothing; in the original it is every IPv6 client", refuseBadLength},
	{"NICE", "a nice value of -1 is nothing to warn about; the original takes it for an error, and logs its success", niceQuietly},
	{"TCPENV-IPV6", TCPEnv[0].Reason, realAddresses},
}

// identity finds the options that say whom to run the daemon as.
var identity = regexp.MustCompile(`(?i):\s*(user|group)(?:\s*=\s*|\s+)([\w-]+)(?:\.([\w-]+))?\s*(?::|\n|$)`)

// becomeUser gives the daemon the identity that the tables name. A user comes
// with the groups it is in.
func becomeUser(c *record.Case, e *record.Expect) bool {
	options := identity.FindAllStringSubmatch(tables(c), -1)
	if len(options) == 0 || e.Argv == nil {
		return false
	}
	for _, o := range options {
		group := o[3]
		if strings.EqualFold(o[1], "group") {
			group = o[2]
		} else if !takeUser(e, o[2]) {
			return false
		}
		if g, err := user.LookupGroup(group); err == nil {
			e.GID, _ = strconv.Atoi(g.Gid)
		}
	}
	return true
}

func takeUser(e *record.Expect, name string) bool {
	u, err := user.Lookup(name)
	if err != nil {
		return false
	}
	e.UID, _ = strconv.Atoi(u.Uid)
	e.GID, _ = strconv.Atoi(u.Gid)
	e.Groups = []int{e.GID}
	all, _ := u.GroupIds()
	for _, g := range all {
		if n, err := strconv.Atoi(g); err == nil && !slices.Contains(e.Groups, n) {
			e.Groups = append(e.Groups, n)
		}
	}
	return true
}

// refuseFailed keeps out a client whose aclexec failed: the log says so, and
// the rules after it do not matter.
func refuseFailed(c *record.Case, e *record.Expect) bool {
	at := slices.IndexFunc(e.Syslog, func(l [2]string) bool { return strings.HasSuffix(l[1], "]: aclexec returned 1") })
	if at < 0 {
		return false
	}
	before := e.Syslog[:at+1]
	refuseClient(c, e)
	e.Syslog = append(before, e.Syslog...)
	return true
}

// refuseIgnored is refuseFailed for a rule that ends in allow, of which the
// original does not even log that the command failed.
func refuseIgnored(c *record.Case, e *record.Expect) bool {
	if !ignoredResult.MatchString(tables(c)) || e.Argv == nil {
		return false
	}
	refuseClient(c, e)
	e.Syslog = slices.Insert(e.Syslog, 0, [2]string{"daemon.info", daemonName(c) + "[PID]: aclexec returned 1"})
	return true
}

var ignoredResult = regexp.MustCompile(`(?i):\s*aclexec[^:\n]*:\s*allow\s*(?:\n|$)`)

// keepOutput takes what aclexec printed away from the client.
func keepOutput(c *record.Case, e *record.Expect) bool {
	if !strings.Contains(strings.ToLower(tables(c)), "aclexec") || !strings.HasSuffix(e.Received, "@DUMP@\n") {
		return false
	}
	e.Received = "@DUMP@\n"
	return true
}

// grantAsWritten lets in whom the original turned away because a table ended
// with status ERR.
func grantAsWritten(c *record.Case, e *record.Expect) bool {
	lost := func(l [2]string) bool {
		return strings.Contains(l[1], "missing newline or line too long") ||
			strings.Contains(l[1], "all the subsequent rules will be ignored")
	}
	if !slices.ContainsFunc(e.Syslog, lost) || e.Outcome != "refused" {
		return false
	}
	e.Syslog = slices.DeleteFunc(e.Syslog, lost)
	grantClient(c, e)
	return true
}

// niceQuietly takes the warning away that nice(2) failed with "Success".
func niceQuietly(_ *record.Case, e *record.Expect) bool {
	before := len(e.Syslog)
	e.Syslog = slices.DeleteFunc(e.Syslog, func(l [2]string) bool { return strings.HasSuffix(l[1], "): Success") })
	return len(e.Syslog) < before
}

// refuseNumericName turns away a client whose name looks like an address.
func refuseNumericName(c *record.Case, e *record.Expect) bool {
	if !numericWildcard.MatchString(tables(c)) || e.Argv == nil {
		return false
	}
	refuseClient(c, e)
	return true
}

var numericWildcard = regexp.MustCompile(`[\s:,][\d.?*]*[*?][\d.?*]*[\s:,]`)

func refuseBadLength(c *record.Case, e *record.Expect) bool {
	if !badLength.MatchString(tables(c)) || e.Argv == nil || !strings.Contains(c.Client.Addr, ":") {
		return false
	}
	refuseClient(c, e)
	return true
}

var badLength = regexp.MustCompile(`\[[0-9a-fA-F:]*\]/(?:0|\D)`)

// refuseClient changes e into the record of a client that was turned away
// after the delay of tcpd, known by its address only.
func refuseClient(c *record.Case, e *record.Expect) {
	line := daemonName(c) + "[PID]: refused connect from " + c.Client.Addr + " (" + c.Client.Addr + ")"
	*e = record.Expect{Outcome: "refused", Seconds: 5, Ident: e.Ident, OutFiles: e.OutFiles,
		Syslog: [][2]string{{"daemon.warning", line}}}
}

// grantClient changes e into the record of a client that was let in by a rule
// without options, or by none.
func grantClient(c *record.Case, e *record.Expect) {
	for i, l := range e.Syslog {
		if strings.Contains(l[1], "refused connect from") {
			e.Syslog[i] = [2]string{"daemon.info", strings.Replace(l[1], "refused connect", "connect", 1)}
		}
	}
	e.Outcome, e.Seconds, e.Received = "executed", 0, "@DUMP@\n"
	e.Daemon = record.Daemon{Argv: slices.Clone(c.Program.Argv), Env: map[string]string{}, Umask: "022"}
	for name, v := range c.Env {
		e.Env[name] = v
	}
	if daemonName(c) == "tcp-env" {
		throughTCPEnv(c, e)
		return
	}
	e.Argv[0] = daemonName(c)
}

// throughTCPEnv adds what a tcp-env without options adds.
func throughTCPEnv(c *record.Case, e *record.Expect) {
	e.Argv = e.Argv[1:]
	e.Env["PROTO"] = "TCP"
	e.Env["TCPLOCALPORT"], e.Env["TCPREMOTEPORT"] = strconv.Itoa(c.Server.Port), strconv.Itoa(c.Client.Port)
	setEnd(e.Env, "LOCAL", c.Server.Addr, c.DNS)
	setEnd(e.Env, "REMOTE", c.Client.Addr, c.DNS)
}

// daemonName is the name that tcpd knows the daemon by.
func daemonName(c *record.Case) string {
	name := c.Program.Argv[0]
	if strings.HasPrefix(name, "/") {
		return name[strings.LastIndexByte(name, '/')+1:]
	}
	return name
}

func tables(c *record.Case) string {
	var s string
	for _, t := range []*string{c.Allow, c.Deny} {
		if t != nil {
			s += *t + "\n"
		}
	}
	return s
}
