// Package examples_test executes every example: the very files, where the text
// beside them says they go, with real programs behind them.
//
// What has to be root works in namespaces of its own, so it changes nothing of
// this machine. What needs a program that is not installed is skipped by name.
package examples_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// A test that needs namespaces or another init starts itself again inside,
// with these in the environment: its name, the programs, the examples.
const (
	envInside = "DOORWARD_EXAMPLES_INSIDE"
	envBin    = "DOORWARD_EXAMPLES_BIN"
	envFiles  = "DOORWARD_EXAMPLES_FILES"
)

var (
	bin   string // directory of the programs built for the tests
	files string // this directory
)

func TestMain(m *testing.M) {
	os.Exit(setUp(m))
}

func setUp(m *testing.M) int {
	bin, files = os.Getenv(envBin), os.Getenv(envFiles)
	if bin != "" {
		return m.Run()
	}
	var err error
	if files, err = os.Getwd(); err == nil {
		bin, err = os.MkdirTemp("", "examples")
	}
	if err == nil {
		err = os.Chmod(bin, 0o755) // daemons run as other users
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(bin)
	return m.Run()
}

var building sync.Mutex

// entries are where commands begin, as the Makefile has it.
var entries = map[string]string{
	"cmd/doorward":  "doorward_rt0",
	"cmd/tcpserver": "doorward_rt0",
	"cmd/tcpd":      "doorward_once_rt0",
	"cmd/tcp-env":   "doorward_once_rt0",
	"cmd/rblsmtpd":  "doorward_once_rt0",
}

// build builds packages of this module, such as "cmd/tcpd", into bin.
func build(t *testing.T, packages ...string) {
	t.Helper()
	building.Lock()
	defer building.Unlock()
	for _, p := range packages {
		if _, err := os.Stat(filepath.Join(bin, filepath.Base(p))); err == nil {
			continue
		}
		ldflags := ""
		if e := entries[p]; e != "" && runtime.GOOS+"/"+runtime.GOARCH == "linux/amd64" {
			ldflags = "-E " + e
		}
		cmd := exec.Command("go", "build", "-ldflags", ldflags, "-o", bin+"/", "./"+p)
		cmd.Dir = filepath.Dir(files)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go build ./%s: %v\n%s", p, err, out)
		}
	}
}

// needs skips the test if a program is missing.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("needs %s", p)
		}
	}
}

// needsRoot skips the test if we may not change users and mounts.
func needsRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}
