package run

import (
	"fmt"
	osexec "os/exec"
	"slices"
	"strings"
	"testing"
)

// A program that begins at doorward_once_rt0 runs on one processor unless it is
// told otherwise, and what it starts has the environment and the arguments that
// it was started with itself.
func TestOnce(t *testing.T) {
	exe := buildUnder(t, "-ldflags", "-E doorward_once_rt0")
	variables := func(n int) (env []string) {
		for i := range n {
			env = append(env, fmt.Sprintf("V%d=%s", i, strings.Repeat("x", i)))
		}
		return env
	}
	all := said(t, nil, buildUnder(t), "processors")
	tests := []struct {
		name string
		env  []string
		want string // processors
	}{
		{"no environment", nil, "1"},
		{"a variable", []string{"A=1"}, "1"},
		{"many", variables(400), "1"},
		{"too many", variables(1000), all},
		{"a number of processors", []string{"A=1", "GOMAXPROCS=3", "B=2"}, "3"},
		{"one", []string{"GOMAXPROCS=1"}, "1"},
		{"like it", []string{"GOMAXPROCSX=3", "GOMAXPROC=3", "GOMAXPRO", "GOMAX", "G", ""}, "1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := said(t, tt.env, exe, "processors"); got != tt.want {
				t.Errorf("runs on %q processors, want %q", got, tt.want)
			}
			for _, way := range []string{"start", "exec"} {
				got := strings.Split(said(t, tt.env, exe, way, "/bin/cat", "/proc/self/environ"), "\x00")
				want := slices.DeleteFunc(slices.Clone(tt.env), func(v string) bool { return v == "" })
				if got = got[:len(got)-1]; !slices.Equal(got, want) {
					t.Errorf("%s: environment %q, want %q", way, got, want)
				}
				argv := said(t, tt.env, exe, way, "/bin/echo", "a b", "", "c")
				if argv != "a b  c\n" {
					t.Errorf("%s: arguments %q", way, argv)
				}
			}
		})
	}
}

// said is what a program with that environment writes.
func said(t *testing.T, env []string, argv ...string) string {
	t.Helper()
	cmd := osexec.Command(argv[0], argv[1:]...)
	cmd.Env = append([]string{}, env...) // nil would be ours
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", argv, err, out)
	}
	return string(out)
}
