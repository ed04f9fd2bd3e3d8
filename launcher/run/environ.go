package run

import (
	"strings"

	"doorward/acl"
)

// Environ returns base with the changes of set made to it, the last of a name
// counting. Base is not changed.
func Environ(base []string, set []acl.Setenv) []string {
	env := make([]string, 0, len(base)+len(set))
	for _, e := range base {
		name, _, _ := strings.Cut(e, "=")
		if last(set, name) < 0 {
			env = append(env, e)
		}
	}
	for i, s := range set {
		if !s.Unset && last(set, s.Name) == i {
			env = append(env, s.Name+"="+s.Value)
		}
	}
	return env
}

// last returns where set speaks of name for the last time, or -1.
func last(set []acl.Setenv, name string) int {
	for i := len(set) - 1; i >= 0; i-- {
		if set[i].Name == name {
			return i
		}
	}
	return -1
}
