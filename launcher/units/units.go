// Package units writes systemd units for the services of a configuration:
// a socket unit for each service, so that clients wait in systemd's hands
// while doorward restarts, and one service unit for doorward, which may do no
// more than these services need.
//
// What a service needs is read off its definition: whether programs run as
// more than one user, whether one is to be nicer to itself than others, whether
// it has to do with home directories. Ports below 1024 take no capability,
// since systemd binds them. What the programs themselves need, nobody can
// know: the unit says so in its comments, and where to begin.
package units

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"doorward/launcher/xinetd"
)

// A File is one unit: its name, such as "doorward-smtp.socket", and its text.
type File struct{ Name, Text string }

// Options say how doorward is started.
type Options struct {
	Exec   string // full path of doorward
	Config string // full path of the configuration

	// User knows the groups of a user; nil knows nobody. A user in groups
	// that a service does not want is not one to run all of doorward as.
	User func(nameOrNumber string) (xinetd.User, bool)
}

// Write returns the units for services that can be started: their sockets in
// the order of the services, then doorward.service.
func Write(services []*xinetd.Service, o Options) []File {
	taken := map[string]bool{}
	var files []File
	var sockets []string
	for _, s := range services {
		name := fileName(s.ID)
		for taken[name] { // an id may be the same for tcp and udp
			name += "-" + s.Protocol
		}
		taken[name] = true
		name += ".socket"
		sockets = append(sockets, name)
		files = append(files, File{name, socket(s)})
	}
	return append(files, File{"doorward.service", service(services, sockets, o)})
}

// socket writes the socket unit of a service.
func socket(s *xinetd.Service) string {
	var u unit
	u.section("Unit")
	u.set("Description", "Socket of "+specifiers(s.ID)+" for doorward")
	u.set("Documentation", "man:doorward(8)")
	u.section("Socket")
	listen := "ListenStream"
	if s.SocketType == "dgram" {
		listen = "ListenDatagram"
	}
	for _, a := range addresses(s) {
		u.set(listen, a)
	}
	u.set("BindIPv6Only", map[bool]string{true: "ipv6-only", false: "both"}[s.Family == xinetd.IPv6Only])
	if len(s.Bind) > 0 {
		u.remark("The address may come after the socket.")
		u.set("FreeBind", "yes")
	}
	if s.SocketType != "dgram" {
		u.set("Backlog", "4096")
	}
	if nameable(s.ID) {
		u.remark("The service with this id in doorward's configuration takes it.")
		u.set("FileDescriptorName", specifiers(s.ID))
	}
	u.set("Service", "doorward.service")
	u.section("Install")
	u.set("WantedBy", "sockets.target")
	return u.String()
}

// addresses returns where a service listens, as systemd.socket(5) writes it.
func addresses(s *xinetd.Service) []string {
	port := strconv.Itoa(int(s.Port))
	switch {
	case len(s.Bind) == 0 && s.Family == xinetd.IPv4:
		return []string{"0.0.0.0:" + port}
	case len(s.Bind) == 0:
		return []string{"[::]:" + port}
	}
	var all []string
	for _, a := range s.Bind {
		text := netip.AddrPortFrom(a.WithZone(""), s.Port).String()
		if a.Zone() != "" {
			text += "%%" + a.Zone()
		}
		all = append(all, text)
	}
	return all
}

// service writes doorward.service.
func service(services []*xinetd.Service, sockets []string, o Options) string {
	n := needsOf(services, o.User)
	var u unit
	u.section("Unit")
	u.set("Description", "doorward, the front door of this machine's daemons")
	u.set("Documentation", "man:doorward(8)")
	u.set("After", "network.target")
	u.remark("A service that may not start again takes its sockets down with it: better a")
	u.remark("slow door than none.")
	u.set("StartLimitIntervalSec", "0")

	u.section("Service")
	u.set("Type", "notify")
	u.set("ExecStart", argument(o.Exec)+" serve -config "+argument(o.Config))
	u.set("ExecReload", "/bin/kill -HUP $MAINPID")
	for _, name := range sockets {
		u.set("Sockets", name)
	}
	u.set("Restart", "on-failure")
	u.set("RestartSec", "100ms")
	u.set("WatchdogSec", "30")
	u.remark("Sockets that doorward binds itself, for services added since: kept through a")
	u.remark("restart and a crash.")
	u.set("FileDescriptorStoreMax", "1024")
	u.remark("Sessions that run when it stops have as long as doorward's -drain gives them.")
	u.set("TimeoutStopSec", "330")
	u.remark("Sessions outlive it where they must: when it crashes, and after -drain.")
	u.set("KillMode", "process")
	if n.files > 0 {
		u.set("LimitNOFILE", strconv.FormatUint(n.files, 10))
	}
	n.identity(&u)
	n.sandbox(&u)
	u.section("Install")
	u.set("WantedBy", "multi-user.target")
	for _, name := range sockets {
		u.set("Also", name)
	}
	return u.String()
}

// A unit is a unit file being written.
type unit struct{ strings.Builder }

func (u *unit) section(name string) {
	if u.Len() > 0 {
		u.WriteByte('\n')
	}
	fmt.Fprintf(u, "[%s]\n", name)
}

func (u *unit) set(key, value string) { fmt.Fprintf(u, "%s=%s\n", key, value) }

func (u *unit) remark(text string) { fmt.Fprintf(u, "# %s\n", text) }

// specifiers makes a % in a value stand for itself (systemd.unit(5)).
func specifiers(s string) string { return strings.ReplaceAll(s, "%", "%%") }

// argument makes a word of a command line of a file name (systemd.service(5),
// COMMAND LINES).
func argument(s string) string {
	plain := func(r rune) bool {
		return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("/._+-,:@", r)
	}
	if !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%", "$", "$$", "\n", `\n`).Replace(s) + `"`
}

// fileName makes the name of a socket unit of an id: with _ for what has a
// meaning of its own in such names, or trips systemd-analyze (a colon).
func fileName(id string) string {
	return "doorward-" + strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("-_.", r) {
			return r
		}
		return '_'
	}, id)
}

// nameable reports whether an id can be the name of a descriptor
// (sd_pid_notify_with_fds(3), FDNAME). A service whose id cannot takes its
// socket by the port.
func nameable(id string) bool {
	odd := func(r rune) bool { return r < ' ' || r > '~' || r == ':' }
	return len(id) <= 255 && !strings.ContainsFunc(id, odd)
}

// attribute returns the value of an attribute of a service with one value.
func attribute(s *xinetd.Service, name string) string {
	for a := range s.Attributes {
		if a.Name == name && len(a.Values) > 0 {
			return a.Values[0]
		}
	}
	return ""
}

// mentions reports whether a service has to do with files below one of dirs.
func mentions(s *xinetd.Service, dirs ...string) bool {
	return slices.ContainsFunc(append([]string{s.Server}, s.Argv...), func(word string) bool {
		return slices.ContainsFunc(dirs, func(dir string) bool { return strings.Contains(word, dir) })
	})
}
