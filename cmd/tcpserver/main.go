// Command tcpserver accepts TCP connections and starts a program for each, if
// its rules let the client in.
//
// See tcpserver(1).
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"doorward/launcher"
	"doorward/launcher/sock"
)

// Exit statuses, as ucspi-tcp has them.
const (
	exitUsage     = 100
	exitTemporary = 111
)

func main() {
	o, err := parseOptions(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitUsage)
	}
	if err := tcpserver(o); err != nil {
		fmt.Fprintln(os.Stderr, "tcpserver: fatal:", err)
		os.Exit(exitTemporary)
	}
}

func tcpserver(o options) error {
	if err := sock.KeepInherited(); err != nil {
		return err
	}
	l, err := listen(o)
	if err != nil {
		return err
	}
	if err := dropPrivileges(o); err != nil {
		return err
	}
	if o.printPort {
		fmt.Println(l.Addr().Port())
		os.Stdout.Close()
	}
	log := newLog(o)
	var port launcher.Port
	port.Set(service(o))
	port.Gate.Set(launcher.Limits{Max: o.limit, PerSource: o.perSource})
	server := launcher.Server{Journal: log.sink}
	log.status()

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	err = server.Accept(ctx, l, &port)
	if ctx.Err() != nil {
		return nil // SIGTERM: sessions go on without us, as the original has it
	}
	return err
}

// listen binds the socket while this process may still bind any port.
func listen(o options) (*sock.Listener, error) {
	c, err := socket(o)
	if err != nil {
		return nil, err
	}
	l, err := sock.Listen(c)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, errors.New("unable to bind: address already used")
	case errors.Is(err, syscall.EACCES):
		return nil, errors.New("unable to bind: access denied")
	case err != nil:
		return nil, fmt.Errorf("unable to bind: %w", err)
	}
	return l, nil
}

// dropPrivileges becomes who everything from here on runs as: groups, group
// and user in this order, each of which must succeed.
func dropPrivileges(o options) error {
	if o.gid != nil {
		if err := syscall.Setgroups([]int{int(*o.gid)}); err != nil {
			return fmt.Errorf("unable to set gid: %w", err)
		}
		if err := syscall.Setgid(int(*o.gid)); err != nil {
			return fmt.Errorf("unable to set gid: %w", err)
		}
	}
	if o.uid != nil {
		if err := syscall.Setuid(int(*o.uid)); err != nil {
			return fmt.Errorf("unable to set uid: %w", err)
		}
	}
	return nil
}
