package run

import (
	"strconv"
	"strings"

	"doorward/launcher/file"
)

// The files are read here, rather than by package os/user, because os/user
// links the C library where a C compiler is about, and a dynamic executable
// takes tcpd half as long again to start. The price is that users who are only
// in LDAP or another source of nsswitch.conf(5) are not found.
const (
	passwdFile = "/etc/passwd"
	groupFile  = "/etc/group"
)

// A User is an entry of passwd(5), with the groups it is in.
type User struct {
	Name     string
	UID, GID uint32
	Groups   []uint32 // GID, and those group(5) lists the user in: what initgroups(3) sets
	Home     string
}

// Credential returns what it takes to run a program as u.
func (u *User) Credential() *Credential {
	return &Credential{UID: u.UID, GID: u.GID, Groups: u.Groups}
}

// An UnknownError says that there is no such user or group.
type UnknownError struct {
	Kind string // "user" or "group"
	Name string
}

func (e *UnknownError) Error() string { return "unknown " + e.Kind + ": " + strconv.Quote(e.Name) }

// LookupUser finds a user by name or, if no user has that name, by number.
// The error is an *UnknownError, or that of reading the files.
func LookupUser(name string) (*User, error) {
	passwd, err := file.Read(passwdFile)
	if err != nil {
		return nil, err
	}
	f := find(string(passwd), name, 7)
	if f == nil {
		return nil, &UnknownError{"user", name}
	}
	uid, err1 := id(f[2])
	gid, err2 := id(f[3])
	if err1 != nil || err2 != nil {
		return nil, &UnknownError{"user", name} // an entry without numbers is none
	}
	group, err := file.Read(groupFile)
	if err != nil {
		return nil, err
	}
	return &User{f[0], uid, gid, memberships(string(group), f[0], gid), f[5]}, nil
}

// LookupGroup finds the number of a group, by name or, if no group has that
// name, by number. Errors as LookupUser's.
func LookupGroup(name string) (gid uint32, err error) {
	group, err := file.Read(groupFile)
	if err != nil {
		return 0, err
	}
	f := find(string(group), name, 4)
	if f == nil {
		return 0, &UnknownError{"group", name}
	}
	gid, err = id(f[2])
	if err != nil {
		return 0, &UnknownError{"group", name}
	}
	return gid, nil
}

// find returns the fields of the entry with that name, else of the first with
// that number; both files have them in fields 0 and 2. Nil: there is none.
// Lines with other than n fields, such as comments, are no entries.
func find(file, name string, n int) (numbered []string) {
	if name == "" {
		return nil
	}
	for line := range strings.Lines(file) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), ":")
		switch {
		case len(f) != n:
		case f[0] == name:
			return f
		case f[2] == name && numbered == nil:
			numbered = f
		}
	}
	return numbered
}

// memberships returns the groups that list user, after gid.
func memberships(group, user string, gid uint32) []uint32 {
	gids := []uint32{gid}
	for line := range strings.Lines(group) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), ":")
		if len(f) != 4 || !listed(f[3], user) {
			continue
		}
		if g, err := id(f[2]); err == nil && g != gid {
			gids = append(gids, g)
		}
	}
	return gids
}

func listed(members, user string) bool {
	for m := range strings.SplitSeq(members, ",") {
		if m == user {
			return true
		}
	}
	return false
}

// id reads a user or group number. The highest means "no change" to
// setuid(2), so it is nobody's.
func id(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err == nil && n == 1<<32-1 {
		err = strconv.ErrRange
	}
	return uint32(n), err
}
