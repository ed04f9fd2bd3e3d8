//go:build linux

package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"

	"doorward/cmd/internal/netbox/record"

	"golang.org/x/sys/unix"
)

// A collector is the socket that syslog(3) writes to. Nothing reads it while a
// case runs: a datagram is in its queue as soon as syslog returns.
type collector struct{ fd int }

func collect(path string) (*collector, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return nil, fmt.Errorf("bind %s: %v", path, err)
	}
	return &collector{fd}, os.Chmod(path, 0o666)
}

// take returns the messages that have come since the last call, as pairs of
// facility.severity and text.
func (c *collector) take() [][2]string {
	var all [][2]string
	buf := make([]byte, 1<<16)
	for {
		n, _, err := unix.Recvfrom(c.fd, buf, 0)
		if err != nil {
			return all
		}
		all = append(all, message(buf[:n]))
	}
}

// The form of RFC 3164 as syslog(3) writes it: no host name.
var (
	syslogForm = regexp.MustCompile(`(?s)^<(\d+)>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d (.*)$`)
	tagPID     = regexp.MustCompile(`\[\d+\]: `)
	childPID   = regexp.MustCompile(`process \d+ exited`)
)

func message(b []byte) [2]string {
	m := syslogForm.FindStringSubmatch(record.Text(b))
	if m == nil {
		return [2]string{"malformed", record.Text(b)}
	}
	text := childPID.ReplaceAllString(m[2], "process CHILDPID exited")
	if at := tagPID.FindStringIndex(text); at != nil {
		text = text[:at[0]] + "[PID]: " + text[at[1]:]
	}
	return [2]string{priority(m[1]), trimEnd(text)}
}

// trimEnd takes off the newline or NUL that some writers of syslog append.
func trimEnd(s string) string {
	for s != "" && (s[len(s)-1] == '\n' || s[len(s)-1] == 0) {
		s = s[:len(s)-1]
	}
	return s
}

var (
	facilities = []string{"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp"}
	severities = []string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}
)

func priority(number string) string {
	n, _ := strconv.Atoi(number)
	facility := fmt.Sprintf("local%d", n>>3-16)
	if n>>3 < len(facilities) {
		facility = facilities[n>>3]
	}
	return facility + "." + severities[n&7]
}
