// Package lean keeps programs that start for each connection from growing: what
// a package does when a program starts, it does for each client.
package lean

import (
	"os/exec"
	"strings"
	"testing"
)

// heavy are packages, and all below them, that cost such a program a tenth of
// its start or more, or are of no use to it.
var heavy = []string{
	"crypto", "encoding/json", "log/slog", "net/http", "os/exec", "os/user", "text/template",
	"github.com/coreos", "github.com/fsnotify",
}

// superdaemon serves many connections; what is below it serves one as well.
const superdaemon = "doorward/launcher"

// Test fails if the package in the current directory, a command, links what
// is not for it.
func Test(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs go")
	}
	cmd := exec.Command("go", "list", "-deps", ".")
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0") // as the Makefile builds it
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 10 {
		t.Fatalf("dependencies %v", deps)
	}
	for _, dep := range deps {
		if dep == superdaemon {
			t.Errorf("links %s", dep)
		}
		for _, h := range heavy {
			if dep == h || strings.HasPrefix(dep, h+"/") {
				t.Errorf("links %s", dep)
			}
		}
	}
}
