// Package itself lets the test of a command run the command without building
// it: the test binary, started again, is the command.
package itself

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"
)

const variable = "DOORWARD_TEST_BE_COMMAND"

// Env is in the environment of a test binary that is to be the command, and
// stays there for programs that the command runs.
const Env = variable + "=1"

// Main is what TestMain of the command has to do.
func Main(m *testing.M, main func()) {
	if os.Getenv(variable) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Command returns the command with these arguments, to be started in the
// environment of the test.
func Command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), Env)
	return cmd
}

// A Result is what came of a command.
type Result struct {
	Stdout, Stderr string
	Status         int
}

// Run runs cmd to its end. It ends the test if cmd does not start.
func Run(t testing.TB, cmd *exec.Cmd) Result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = 10 * time.Second // for whoever else has its output
	err := cmd.Run()
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	return Result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}
