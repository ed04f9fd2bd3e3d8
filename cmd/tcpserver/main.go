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
	"time"

	"doorward/launcher"
	"doorward/launcher/journal"
	"doorward/launcher/rules"
	"doorward/launcher/run"
	"doorward/launcher/sock"
	"doorward/launcher/sock/activation"
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
	listeners, err := listen(o)
	if err != nil {
		return err
	}
	if err := dropPrivileges(o); err != nil {
		return err
	}
	if o.printPort {
		fmt.Println(listeners[0].Addr().Port())
		os.Stdout.Close()
	}
	sink, log := sinks(o)
	warn := func(err error) { sink(journal.Event{Kind: journal.Noted, Time: time.Now(), Text: err.Error()}) }
	book := &rules.Book{Warn: warn}
	svc, err := service(o, book, warn)
	if err != nil {
		return err
	}
	log.status()

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if len(o.words) > 0 {
		go follow(ctx, book, warn)
	}
	run.ReapOrphans()
	err = accept(ctx, listeners, svc, launcher.Limits{Max: o.limit, PerSource: o.perSource, Rate: o.rate}, sink)
	if ctx.Err() != nil {
		return nil // SIGTERM: sessions go on without us, as the original has it
	}
	return err
}

// accept serves all listeners with one count, until ctx is done or one of them
// breaks.
func accept(ctx context.Context, ls []*sock.Listener, svc *launcher.Service, limits launcher.Limits, sink journal.Sink) error {
	var port launcher.Port
	port.Set(svc)
	port.Gate.Set(limits)
	server := launcher.Server{Journal: sink}
	broken := make(chan error, len(ls))
	for _, l := range ls {
		go func() { broken <- server.Accept(ctx, l, &port) }()
	}
	return <-broken
}

// systemd as a host means the sockets that the service manager passed.
const systemd = "systemd:"

// listen binds the socket while this process may still bind any port, or takes
// those that were passed. No other inherited descriptor reaches a program.
func listen(o options) ([]*sock.Listener, error) {
	if o.host == systemd {
		return passed(o.port)
	}
	if err := sock.KeepInherited(); err != nil {
		return nil, err
	}
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
	return []*sock.Listener{l}, nil
}

// passed takes the sockets with that name (FileDescriptorName=).
func passed(name string) ([]*sock.Listener, error) {
	sockets, err := activation.Of(activation.Inherited())
	if err != nil {
		return nil, err
	}
	ls := sockets.Claim(name, 0, false)
	if len(ls) == 0 {
		return nil, fmt.Errorf("no socket named %q was passed", name)
	}
	return ls, nil
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
