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

	reading sync.WaitGroup // queries that have come and are not in asked yet

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
			s.reading.Add(1)
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

// lastQuery is this program's own.
const lastQuery = "0 , 0\r\n"

// queries returns what has been asked. Some programs ask and do not wait for
// the answer, so that the server may not have heard of it yet: it is asked once
// more, for it hears of one after the other.
func (s *identServer) queries() []string {
	if s.l != nil {
		if c, err := net.Dial("tcp", s.l.Addr().String()); err == nil {
			c.SetDeadline(time.Now().Add(5 * time.Second))
			io.WriteString(c, lastQuery)
			io.ReadAll(c)
			c.Close()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

func (s *identServer) answer(c net.Conn) {
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	query, _ := bufio.NewReader(io.LimitReader(c, 1000)).ReadString('\n')
	if query == lastQuery {
		s.reading.Done()
		s.reading.Wait()
		return
	}
	s.mu.Lock()
	s.asked = append(s.asked, record.Text([]byte(query)))
	s.mu.Unlock()
	s.reading.Done()

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
