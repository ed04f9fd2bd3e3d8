//go:build linux

package sandbox_test

import (
	"os"
	"testing"

	"doorward/cmd/internal/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.Main()
	os.Exit(m.Run())
}

// A program sees the files it was given, no other host, and is heard.
func TestWorld(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	results, err := sandbox.Run(map[string]string{"mine": "yes\n"},
		sandbox.Command{Args: []string{"/bin/sh", "-c", "cat /etc/mine; ls /etc/hosts >&2; exit 3"}, Dir: "/"},
		sandbox.Command{Args: []string{"/bin/sh", "-c", "grep -c : /proc/net/dev"}, Dir: "/"})
	if err != nil {
		t.Skipf("needs to make namespaces: %v", err)
	}
	if r := results[0]; r.Stdout != "yes\n" || r.Stderr == "" || r.Code != 3 || len(r.Log) > 0 {
		t.Errorf("got %+v", r)
	}
	if r := results[1]; r.Stdout != "1\n" { // lo alone
		t.Errorf("%q interfaces", r.Stdout)
	}
}
