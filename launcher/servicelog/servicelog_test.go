package servicelog_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"doorward/acl"
	"doorward/launcher"
	"doorward/launcher/journal"
	"doorward/launcher/servicelog"
	"doorward/launcher/when"
)

var (
	now    = time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	client = netip.MustParseAddrPort("192.0.2.7:40001")
	all    = servicelog.PID | servicelog.Host | servicelog.UserID | servicelog.Exit | servicelog.Duration
)

// Lines are xinetd's, with the parts that were asked for and no others.
func TestLines(t *testing.T) {
	deny := acl.Pos{File: "/etc/hosts.deny", Line: 3}
	idOnly := acl.Pos{File: "/etc/xinetd.d/smtp", Line: 4}
	tests := []struct {
		success, failure servicelog.Parts
		event            journal.Event
		want             string
	}{
		{all, 0, journal.Event{Kind: journal.Started, PID: 42}, "START: smtp pid=42 from=192.0.2.7"},
		{all, 0, journal.Event{Kind: journal.Replaced, PID: 42}, "START: smtp pid=42 from=192.0.2.7"},
		{servicelog.Duration, 0, journal.Event{Kind: journal.Started, PID: 42}, "START: smtp"}, // xinetd does that
		{all, 0, journal.Event{Kind: journal.Started, User: "eve\nSTART: x"}, "START: smtp from=192.0.2.7|USERID: smtp eve\\x0aSTART: x"},
		{all, 0, journal.Event{Kind: journal.Ended, PID: 42, Status: 3 << 8, Duration: 1999 * time.Millisecond}, "EXIT: smtp status=3 pid=42 duration=1(sec)"},
		{servicelog.Exit, 0, journal.Event{Kind: journal.Ended, PID: 42, Status: syscall.WaitStatus(9)}, "EXIT: smtp signal=9"},
		{servicelog.PID, 0, journal.Event{Kind: journal.Ended, PID: 42}, ""},
		{0, all, journal.Event{Kind: journal.Started, PID: 42}, ""},
		{all, 0, journal.Event{Kind: journal.Denied}, ""},
		{0, servicelog.Host, journal.Event{Kind: journal.Denied}, "FAIL: smtp address from=192.0.2.7"},
		{0, servicelog.Attempt, journal.Event{Kind: journal.Denied, Rule: deny}, "FAIL: smtp libwrap"},
		{0, servicelog.Attempt, journal.Event{Kind: journal.Denied, Rule: idOnly}, "NOID: smtp 192.0.2.7 no server"},
		{servicelog.UserID, 0, journal.Event{Kind: journal.Denied, Rule: idOnly}, "NOID: smtp 192.0.2.7 no server"},
		{servicelog.Host, 0, journal.Event{Kind: journal.Denied, Rule: idOnly}, ""},
		{0, servicelog.Host | servicelog.UserID, journal.Event{Kind: journal.Denied, User: "eve"}, "FAIL: smtp address from=192.0.2.7|USERID: smtp eve"},
		{0, servicelog.Attempt, journal.Event{Kind: journal.Refused, Err: when.ErrTime}, "FAIL: smtp time"},
		{0, servicelog.Attempt, journal.Event{Kind: journal.Refused, Err: fmt.Errorf("%w: 3.00", when.ErrLoad)}, "FAIL: smtp load"},
		{0, servicelog.Attempt, journal.Event{Kind: journal.Refused, Err: launcher.ErrSource}, "FAIL: smtp per_source_limit"},
		{0, servicelog.Attempt, journal.Event{Kind: journal.Refused, Err: launcher.ErrRate}, "FAIL: smtp connections per second"},
		{0, servicelog.Attempt, journal.Event{Kind: journal.Failed, Err: errors.New("no memory")}, "FAIL: smtp fork"},
		{all, all, journal.Event{Kind: journal.Full}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.want, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			var l servicelog.Logs
			l.Set(journal.Key{Service: "smtp"}, servicelog.Config{File: path, Success: tt.success, Failure: tt.failure, Hosts: []string{deny.File}, IDOnly: idOnly})
			tt.event.Service, tt.event.Time, tt.event.Remote = "smtp", now, client
			l.Sink(tt.event)
			b, _ := os.ReadFile(path)
			got := strings.ReplaceAll(strings.ReplaceAll(string(b), "26/2/3@04:05:06: ", ""), "\n", "|")
			if strings.TrimSuffix(got, "|") != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// A logs with a file that every event is a line of 29 bytes in, and what was
// said about it.
type logs struct {
	servicelog.Logs
	path string
	said []string
}

const line = "26/2/3@04:05:06: FAIL: a time\n"

func open(t *testing.T, c servicelog.Config) *logs {
	l := &logs{path: filepath.Join(t.TempDir(), "log")}
	l.Warn = func(text string) { l.said = append(l.said, strings.TrimPrefix(text, l.path+": ")) }
	c.File, c.Failure = l.path, servicelog.Attempt
	l.Set(journal.Key{Service: "a"}, c)
	return l
}

func (l *logs) event() {
	l.Sink(journal.Event{Kind: journal.Refused, Service: "a", Time: now, Err: when.ErrTime})
}

func (l *logs) want(t *testing.T, text string) {
	t.Helper()
	if b, _ := os.ReadFile(l.path); string(b) != text {
		t.Errorf("the log has %q, want %q", b, text)
	}
}

// A log that was renamed, removed or shortened goes on.
func TestRotated(t *testing.T) {
	for name, rotate := range map[string]func(path string) error{
		"renamed":   func(path string) error { return os.Rename(path, path+".1") },
		"removed":   os.Remove,
		"shortened": func(path string) error { return os.Truncate(path, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			l := open(t, servicelog.Config{})
			l.event()
			l.want(t, line)
			if err := rotate(l.path); err != nil {
				t.Fatal(err)
			}
			l.event()
			l.want(t, line)
		})
	}
}

// At the limits somebody is told once, and when there is room the log goes on.
func TestSizes(t *testing.T) {
	l := open(t, servicelog.Config{Soft: int64(len(line)), Hard: int64(2 * len(line))})
	for range 5 {
		l.event()
	}
	l.want(t, line+line)
	if len(l.said) != 2 || !strings.Contains(l.said[0], "soft limit") || !strings.Contains(l.said[1], "hard limit") {
		t.Errorf("said %q", l.said)
	}
	os.Truncate(l.path, 0)
	l.event()
	l.want(t, line)
	for range 3 {
		l.event()
	}
	if len(l.said) != 4 {
		t.Errorf("said %q", l.said)
	}
}

// A path that cannot be written to is told of once, and holds nobody up.
func TestUnwritable(t *testing.T) {
	l := open(t, servicelog.Config{})
	if err := syscall.Mkfifo(l.path, 0o600); err != nil {
		t.Fatal(err)
	}
	l.event()
	l.event()
	if len(l.said) != 1 {
		t.Errorf("said %q", l.said)
	}
	os.Remove(l.path)
	l.event()
	l.want(t, line)
}

// Several services may have one log, and their lines are whole.
func TestShared(t *testing.T) {
	l := open(t, servicelog.Config{})
	l.Set(journal.Key{Service: "b"}, servicelog.Config{File: l.path, Failure: servicelog.Attempt})
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(l.event)
	}
	wg.Wait()
	l.want(t, strings.Repeat(line, 100))
	l.Set(journal.Key{Service: "a"}, servicelog.Config{})
	l.event()
	l.want(t, strings.Repeat(line, 100))
}
