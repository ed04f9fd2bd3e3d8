// Command doorward decides who may reach network daemons, and starts them.
//
// See doorward(8), and "doorward help".
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"
)

const usage = `usage: doorward command [flags]

commands:
  check     look for mistakes in rules and services
  explain   say what becomes of a client, and why
  serve     accept connections for the services of a configuration
  units     write systemd units for the services of a configuration
  status    tell what a running doorward does
  version   print the version
  help      print this, or with a command its flags

Try "doorward help serve". The manual is doorward(8).
`

func main() {
	err := command(os.Args[1:], os.Stdout)
	var code exitCode
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
		return
	case errors.As(err, &code):
		os.Exit(int(code))
	}
	fmt.Fprintln(os.Stderr, "doorward:", err)
	os.Exit(1)
}

// An exitCode is an error that has been reported already.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit %d", int(c)) }

// badUsage is the exit status for a command line that makes no sense, as
// ucspi-tcp has it.
const badUsage exitCode = 100

func command(args []string, out io.Writer) error {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return badUsage
	}
	name, args := args[0], args[1:]
	switch name {
	case "check":
		return checkCommand(args, out)
	case "explain":
		return explainCommand(args, out)
	case "serve":
		return serveCommand(args)
	case "units":
		return unitsCommand(args, out)
	case "status":
		return statusCommand(args, out)
	case "version", "-version", "--version":
		_, err := fmt.Fprintln(out, "doorward", version())
		return err
	case "help", "-h", "-help", "--help":
		return help(args, out)
	}
	fmt.Fprintf(os.Stderr, "doorward: %q is not a command\n\n%s", name, usage)
	return badUsage
}

func help(args []string, out io.Writer) error {
	if len(args) == 0 {
		_, err := fmt.Fprint(out, usage)
		return err
	}
	return command([]string{args[0], "-help"}, out)
}

// version is what the build says of itself: the tag or revision it was made
// from, where Go knows.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
