package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"doorward/launcher/dnslist"
)

// statusSocket is where status asks unless told otherwise.
const statusSocket = "/run/doorward/status"

// statusTime bounds a conversation about the status.
const statusTime = 5 * time.Second

func statusCommand(args []string, out io.Writer) error {
	f := flag.NewFlagSet("status", flag.ContinueOnError)
	f.Usage = func() {
		fmt.Fprintln(f.Output(), "usage: doorward status [flags]\n\nTells what a running doorward does. See doorward(8).")
		f.PrintDefaults()
	}
	path := f.String("status", statusSocket, "the socket given to serve -status: `file`")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil || f.NArg() > 0 {
		return badUsage
	}
	c, err := net.DialTimeout("unix", *path, statusTime)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(statusTime))
	_, err = io.Copy(out, c)
	return err
}

// serveStatus answers whoever connects to a socket with what goes on, and
// hangs up.
func (s *superserver) serveStatus(path string) error {
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
		os.Remove(path) // of an earlier life
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	os.Chmod(path, 0o600)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.SetDeadline(time.Now().Add(statusTime))
			s.writeStatus(c)
			c.Close()
		}
	}()
	return nil
}

// writeStatus tells of every service and every DNS list.
func (s *superserver) writeStatus(out io.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "doorward %s, process %d, serving since %s\n\n", version(), os.Getpid(), s.since.Format(time.DateTime))
	fmt.Fprintln(w, "service\trunning\tof\tstarted\tdenied\trefused\tfailed\tlistens on")
	for _, key := range slices.Sorted(maps.Keys(s.doors)) {
		d := s.doors[key]
		n := s.counts.Of(journalKey(d.service))
		most := "any"
		if d.service.Instances > 0 {
			most = fmt.Sprint(d.service.Instances)
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%d\t%d\t%d\t%s\n", d.service.ID, n.Running, most, n.Started, n.Denied, n.Refused, n.Failed, d.where())
	}
	s.lists.writeStatus(w)
	w.Flush()
}

// where says where a door's clients come to.
func (d *door) where() string {
	var addrs []string
	for _, l := range slices.Concat(d.own, d.passed) {
		addrs = append(addrs, l.Addr().String())
	}
	return strings.Join(addrs, " ")
}

func (d *dnsLists) writeStatus(w io.Writer) {
	first := true
	for _, key := range slices.Sorted(maps.Keys(d.engines)) {
		for _, l := range d.engines[key].Status() {
			if first {
				fmt.Fprintln(w, "\nDNS list\tfamily\tstate\tasked\tfailed\tlisted\twhy")
				first = false
			}
			writeHealth(w, l.Zone, "IPv4", l.IPv4)
			writeHealth(w, l.Zone, "IPv6", l.IPv6)
		}
	}
}

func writeHealth(w io.Writer, zone, family string, h dnslist.Health) {
	why := h.Why
	if why != "" && !h.Next.IsZero() {
		why += "; tried again " + h.Next.Format(time.TimeOnly)
	}
	fmt.Fprintf(w, "%s\t%s\t%v\t%d\t%d\t%d\t%s\n", zone, family, h.State, h.Asked, h.Failed, h.Listed, why)
}
