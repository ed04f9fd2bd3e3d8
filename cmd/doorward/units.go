package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"doorward/cmd/internal/xinetdhost"
	"doorward/launcher/units"
	"doorward/launcher/xinetd"
)

// unitsCommand writes systemd units for the services of a configuration. One
// with a mistake in it writes nothing: a service that is missing from the
// units would be missing from the machine.
func unitsCommand(args []string, out io.Writer) error {
	f := flag.NewFlagSet("units", flag.ContinueOnError)
	f.Usage = func() {
		fmt.Fprintln(f.Output(), "usage: doorward units [-config file] -out directory\n\nWrites systemd units for the services of a configuration. See doorward(8).")
		f.PrintDefaults()
	}
	name := f.String("config", "/etc/xinetd.conf", "services, in the syntax of xinetd.conf(5): `file`")
	dir := f.String("out", "", "where the units go: `directory`")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return badUsage
	}
	if f.NArg() > 0 || *dir == "" {
		f.Usage()
		return badUsage
	}
	files, err := unitsOf(*name)
	if err != nil {
		return err
	}
	for _, file := range files {
		path := filepath.Join(*dir, file.Name)
		if err := os.WriteFile(path, []byte(file.Text), 0o644); err != nil {
			return err
		}
		fmt.Fprintln(out, path)
	}
	return nil
}

// unitsOf reads a configuration as root would, whoever runs this command: it
// is root who will start the units.
func unitsOf(name string) ([]units.File, error) {
	path, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	h := xinetdhost.Host()
	h.UID, h.GID = 0, 0
	config, err := xinetd.Load(path, h)
	if err != nil {
		return nil, err
	}
	services := slices.Collect(config.Startable)
	if len(services) == 0 {
		return nil, errors.New("no service to write units for")
	}
	return units.Write(services, units.Options{Exec: self, Config: path, User: xinetdhost.User}), nil
}
