//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"doorward/cmd/internal/netbox/record"
)

// An identServer answers every query on port 113 of the client (RFC 1413) as
// the case says, and remembers the queries.
type identServer struct {
	l    net.Listener
	is   *record.Ident
	done chan struct{}

	mu    sync.Mutex
	asked []string
}

// serveIdent starts a server at addr; without an Ident the port stays closed.
func serveIdent(addr string, is *record.Ident) (*identServer, error) {
	s := &identServer{is: is, done: make(chan struct{})}
	if is == nil {
		return s, nil
	}
	var err error
	if s.l, err = net.Listen("tcp", net.JoinHostPort(addr, "113")); err != nil {
		return nil, err
	}
	go func() {
		for {
			c, err := s.l.Accept()
			if err != nil {
				return
			}
			go s.answer(c)
		}
	}()
	return s, nil
}

func (s *identServer) close() {
	close(s.done)
	if s.l != nil {
		s.l.Close()
	}
}

func (s *identServer) queries() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

func (s *identServer) answer(c net.Conn) {
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	query, _ := bufio.NewReader(io.LimitReader(c, 1000)).ReadString('\n')
	s.mu.Lock()
	s.asked = append(s.asked, record.Text([]byte(query)))
	s.mu.Unlock()

	if s.is.Reply == nil {
		<-s.done
		return
	}
	select {
	case <-time.After(time.Duration(s.is.Delay * float64(time.Second))):
	case <-s.done:
		return
	}
	remote, local, _ := strings.Cut(query, ",")
	reply := strings.NewReplacer("{R}", strings.TrimSpace(remote), "{L}", strings.TrimSpace(local))
	c.Write([]byte(reply.Replace(string(record.Bytes(*s.is.Reply)))))
}

// startOidentd starts the real ident server for the rest of the case; it is
// ended with everything else.
func startOidentd(ctx context.Context, program string) error {
	if program == "" {
		return errors.New("oidentd is not installed")
	}
	cmd := exec.CommandContext(ctx, program, "--foreground", "--nosyslog", "--quiet")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	go cmd.Wait()
	return awaitListener(ctx, 113)
}
