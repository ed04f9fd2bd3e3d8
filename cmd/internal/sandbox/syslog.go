//go:build linux

package sandbox

import (
	"errors"
	"net"
	"regexp"
	"strings"
	"time"
)

// syslog listens where syslog(3) writes to. It reads all the time: a program
// whose messages nobody takes waits in syslog for ever once the queue is full.
type syslog struct {
	path  string
	heard chan string
}

func listen(path string) (*syslog, error) {
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	s := &syslog{path, make(chan string, 1<<16)}
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				close(s.heard)
				return
			}
			s.heard <- string(buf[:n])
		}
	}()
	return s, nil
}

const mark = "that is all"

var errDeaf = errors.New("the log socket says nothing any more")

// take returns what has been said since it was called last. A message of its
// own, behind those that are there, tells it where to stop.
func (s *syslog) take() ([]string, error) {
	conn, err := net.Dial("unixgram", s.path)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(mark)); err != nil {
		return nil, err
	}
	var all []string
	for {
		select {
		case text, ok := <-s.heard:
			if !ok {
				return nil, errDeaf
			}
			if text == mark {
				return all, nil
			}
			all = append(all, message(text))
		case <-time.After(10 * time.Second):
			return nil, errDeaf
		}
	}
}

// head is what RFC 3164 puts before the tag: priority and time.
var head = regexp.MustCompile(`^<\d+>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d `)

func message(text string) string {
	return strings.TrimRight(head.ReplaceAllString(text, ""), " \n\x00")
}
