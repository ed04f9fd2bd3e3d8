package units

import (
	"slices"
	"strconv"
	"strings"

	"doorward/launcher/xinetd"
)

// needs is what all services together need of the machine.
type needs struct {
	caps  []string // capabilities
	user  string   // that all programs run as; "": as several, or as root
	gid   uint32   // with user
	root  []string // ids of services whose programs run as root
	home  bool     // some program's files are in a home directory
	files uint64   // the highest rlimit_files beyond what systemd gives; 0: none
	nicer bool     // some nice value is negative
}

// defaultFiles is the hard limit of open files that systemd gives a service.
const defaultFiles = 524288

func needsOf(services []*xinetd.Service, user func(string) (xinetd.User, bool)) needs {
	var n needs
	for _, s := range services {
		if s.Cred == nil || s.Cred.UID == 0 {
			n.root = append(n.root, s.ID)
		}
		n.home = n.home || mentions(s, "/home/", "/root/", "/run/user/")
		n.nicer = n.nicer || s.Nice < 0
		for _, r := range s.Rlimits {
			if r.Resource == "files" && r.Value > defaultFiles && r.Value != xinetd.Infinity {
				n.files = max(n.files, r.Value)
			}
		}
	}
	if one := onlyUser(services, user); one != "" {
		n.user, n.gid = one, services[0].Cred.GID
	} else {
		// To change ids, and to end what runs with another's.
		n.caps = append(n.caps, "CAP_SETUID", "CAP_SETGID", "CAP_KILL")
	}
	if n.nicer {
		n.caps = append(n.caps, "CAP_SYS_NICE")
	}
	return n
}

// onlyUser returns the name of the user, other than root, that all programs
// run as, with the groups that the user database gives it: doorward can be
// that user, too, and needs no capability to start them. Otherwise it is "".
func onlyUser(services []*xinetd.Service, user func(string) (xinetd.User, bool)) string {
	if len(services) == 0 || user == nil {
		return ""
	}
	name := attribute(services[0], "user")
	u, ok := user(name)
	if !ok || u.UID == 0 {
		return ""
	}
	first := services[0].Cred
	for _, s := range services {
		if first == nil || s.Cred == nil || s.Cred.UID != u.UID || s.Cred.GID != first.GID || !sameGroups(s.Cred, u.Groups) {
			return ""
		}
	}
	return name
}

// sameGroups reports whether a program with these ids is in all the groups of
// its user: systemd does not take any away.
func sameGroups(c *xinetd.Credential, all []uint32) bool {
	for _, g := range all {
		if g != c.GID && !slices.Contains(c.Groups, g) {
			return false
		}
	}
	return true
}

// identity says who doorward is, and what it may do beyond.
func (n needs) identity(u *unit) {
	u.WriteByte('\n')
	if n.user != "" {
		u.remark("All programs run as one user, so doorward does too: there is no way up.")
		u.set("User", specifiers(n.user))
		u.set("Group", strconv.FormatUint(uint64(n.gid), 10))
	} else {
		u.remark("doorward starts each program as its own user, so it is root, but a root that")
		u.remark("can do what follows and nothing else.")
	}
	if len(n.root) > 0 {
		u.remark("These run as root, with no more than that; a program that is to read other")
		u.remark("users' files, say, wants CAP_DAC_READ_SEARCH added: " + strings.Join(n.root, " "))
	}
	u.set("CapabilityBoundingSet", strings.Join(n.caps, " "))
	if n.user != "" {
		u.set("AmbientCapabilities", strings.Join(n.caps, " "))
	}
}

// sandbox says what nobody in the unit may do.
func (n needs) sandbox(u *unit) {
	u.WriteByte('\n')
	u.remark("Programs inherit every line below. One that needs a set-user-id helper, as")
	u.remark("qmail's queue does, wants NoNewPrivileges and RestrictSUIDSGID taken out; one")
	u.remark("that makes code as it runs, MemoryDenyWriteExecute.")
	u.remark("ProtectSystem=strict is better still, with the directories that programs write")
	u.remark("to in ReadWritePaths=.")
	home := "yes"
	if n.home {
		home = "read-only"
	}
	u.set("ProtectSystem", "full")
	u.set("ProtectHome", home)
	u.set("UMask", "0022")
	u.WriteString(fixed)
}

// fixed is what holds whatever the services are.
const fixed = `NoNewPrivileges=yes
PrivateTmp=yes
PrivateDevices=yes
DevicePolicy=closed
ProtectProc=invisible
ProcSubset=pid
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
PrivateIPC=yes
PrivateMounts=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@keyring @memlock @aio
SystemCallErrorNumber=EPERM
`
