package main

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// A silent client has five minutes.
func TestIdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		defer there.Close()
		begin := time.Now()
		_, err := newStrictConn(here).Read(make([]byte, 10))
		if got := time.Since(begin); !errors.Is(err, os.ErrDeadlineExceeded) || got != 5*time.Minute {
			t.Errorf("got %v after %v, want a time-out after 5m", err, got)
		}
	})
}

// One that says a little now and then has an hour.
func TestSessionTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		var talker sync.WaitGroup
		talker.Go(func() {
			for {
				time.Sleep(59 * time.Second)
				if _, err := there.Write([]byte("x")); err != nil {
					return
				}
			}
		})
		begin := time.Now()
		n, err := io.Copy(io.Discard, newStrictConn(here))
		if got := time.Since(begin); !errors.Is(err, os.ErrDeadlineExceeded) || got != time.Hour {
			t.Errorf("got %v after %v and %d bytes, want a time-out after 1h", err, got, n)
		}
		here.Close()
		talker.Wait()
	})
}

// Whatever the segments, text gets through if and only if every CR and LF in
// it is part of a CR LF.
func TestStrictLines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		segments := rapid.SliceOf(rapid.StringMatching("[a.\r\n]{1,6}")).Draw(t, "segments")
		text := strings.Join(segments, "")
		// The last CR may yet have its LF.
		rest := strings.ReplaceAll(strings.TrimSuffix(text, "\r"), "\r\n", "")
		good := !strings.ContainsAny(rest, "\r\n")

		here, there := net.Pipe()
		go func() {
			for _, s := range segments {
				io.WriteString(there, s)
			}
			there.Close()
		}()
		got, err := io.ReadAll(newStrictConn(here))
		here.Close()
		if (err == nil) != good || good && string(got) != text {
			t.Errorf("%q: got %q, %v", segments, got, err)
		}
	})
}

func FuzzRcpthosts(f *testing.F) {
	f.Add("example.net\n.example.org\n# c\n", "a@mx.example.org")
	f.Add("\r\n \n.", "a@.")
	f.Fuzz(func(t *testing.T, text, address string) {
		hosts, err := parseRcpthosts([]byte(text))
		if err != nil {
			return
		}
		// The domain a rule named is in the file, from its beginning or a dot.
		_, domain, found := strings.Cut(address[max(0, strings.LastIndexByte(address, '@')):], "@")
		if hosts.Has(address) && found && domain != "" {
			for host := range hosts {
				if strings.HasSuffix(strings.ToLower(domain), host) {
					return
				}
			}
			t.Errorf("%q took %q", text, address)
		}
	})
}
