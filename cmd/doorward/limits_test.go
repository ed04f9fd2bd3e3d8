package main

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// Every limit of a service turns its clients away, and the log has the reason.
func TestLimitsOfAService(t *testing.T) {
	later := time.Now().Add(2 * time.Hour).Hour()
	tests := []struct{ name, line, log string }{
		{"access_times", fmt.Sprintf("access_times = %d:00-%d:59", later, later), `test: 127\.0\.0\.1:\d+ refused: not at this time of day`},
		{"per_prefix", "per_prefix = 1\n\tprefix_v4 = 8", `test: 127\.0\.0\.1:\d+ refused: too many connections from this network`},
		{"rate", "rate = 1/h", `test: 127\.0\.0\.1:\d+ refused: connections from this source are too frequent`},
		{"cps", "cps = 1 1", `test: more than 1 connections in a second: none is accepted for 1s, clients wait`},
		{"max_session", "max_session = 50ms", `test: 127\.0\.0\.1:\d+ pid \d+ is told to end: it has run for \d+ms`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, port := start(t, dumper("test", tt.line), nil)
			for range 2 { // the first one stays: dump.sh reads to the end
				c, err := net.Dial("tcp", "127.0.0.1:"+port)
				if err == nil {
					defer c.Close()
				}
			}
			s.waitFor(tt.log)
		})
	}
}

// Banners are sent around what the program says.
func TestBannersOfAService(t *testing.T) {
	files := map[string]string{"hello": "hello\n", "welcome": "welcome\n", "sorry": "sorry\n", "hosts.deny": "ALL: 127.0.0.3\n"}
	_, port := start(t, dumper("test", "banner = DIR/hello", "banner_success = DIR/welcome", "banner_fail = DIR/sorry"), files)
	if got := mustDial(t, "127.0.0.1", "127.0.0.1:"+port); !strings.HasPrefix(got, "hello\nwelcome\n== ") {
		t.Errorf("let in, got %q", got)
	}
	if got := mustDial(t, "127.0.0.3", "127.0.0.1:"+port); got != "hello\nsorry\n" {
		t.Errorf("kept out, got %q", got)
	}
}

// decide_timeout bounds how long an ident server that says nothing is waited
// for.
func TestDecideTimeout(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	l, err := net.Listen("tcp", "127.0.0.9:113")
	if err != nil {
		t.Skip(err)
	}
	defer l.Close()
	_, port := start(t, dumper("test", "lookup = ident", "decide_timeout = 200ms"), nil)
	began := time.Now()
	mustDial(t, "127.0.0.9", "127.0.0.1:"+port)
	if took := time.Since(began); took < 200*time.Millisecond || took > 2*time.Second {
		t.Errorf("took %v", took)
	}
}
