package question

import (
	"strings"

	"doorward/acl/hosts"
	"doorward/launcher/run"
)

// Unknown looks up whom the options user and group name, and returns the place
// in options of the first that names nobody, and the error, or len(options).
// tcpd lets no client in whose daemon cannot be made who it should be.
func Unknown(options []hosts.Processed) (at int, err error) {
	for i, o := range options {
		switch strings.ToLower(o.Key) {
		case "user":
			err = unknownUser(o.Value)
		case "group":
			_, err = run.LookupGroup(o.Value)
		}
		if err != nil {
			return i, err
		}
	}
	return len(options), nil
}

// unknownUser looks NAME or NAME.GROUP up. A number is no name here.
func unknownUser(value string) error {
	name, group, ok := strings.Cut(value, ".")
	if ok {
		if _, err := run.LookupGroup(group); err != nil {
			return err
		}
	}
	u, err := run.LookupUser(name)
	if err == nil && u.Name != name {
		return &run.UnknownError{Kind: "user", Name: name}
	}
	return err
}
