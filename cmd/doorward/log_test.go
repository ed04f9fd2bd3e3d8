package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A service has a log of its own with xinetd's lines in it, and goes on in a
// new file when that one is rotated away.
func TestServiceLog(t *testing.T) {
	s, port := start(t, dumper("test", "log_type = FILE DIR/test.log", "log_on_success = PID HOST EXIT DURATION", "log_on_failure = HOST"),
		map[string]string{"hosts.deny": "ALL: 127.0.0.3\n"})
	mustDial(t, "127.0.0.1", "127.0.0.1:"+port)
	dialFrom("127.0.0.3", "127.0.0.1:"+port)
	const time = `\d\d/\d+/\d+@\d\d:\d\d:\d\d: `
	waitForFile(t, s.dir+"/test.log", time+`START: test pid=\d+ from=127\.0\.0\.1\n`, time+`EXIT: test status=0 pid=\d+ duration=0\(sec\)\n`,
		time+`FAIL: test libwrap from=127\.0\.0\.3\n`)
	os.Rename(s.dir+"/test.log", s.dir+"/test.log.1")
	dialFrom("127.0.0.3", "127.0.0.1:"+port)
	waitForFile(t, s.dir+"/test.log", `^`+time+`FAIL: test libwrap from=127\.0\.0\.3\n$`)
	s.write("doorward.conf", strings.NewReplacer("PORT", port, "DIR", s.dir).Replace(dumper("test", "log_type = FILE DIR/other.log", "log_on_failure = ATTEMPT")))
	s.waitFor(`doorward: ~ test`)
	dialFrom("127.0.0.3", "127.0.0.1:"+port)
	waitForFile(t, s.dir+"/other.log", `^`+time+`FAIL: test libwrap\n$`)
}

// A service over TCP and one over UDP may have one name, and each has its own
// log and its own numbers.
func TestServiceLogsOfOneName(t *testing.T) {
	stream := dumper("test", "log_type = FILE DIR/tcp.log", "log_on_success = HOST", "log_on_failure = HOST", "no_access = 127.0.0.3")
	datagram := datagrams("log_type = FILE DIR/udp.log", "log_on_success = EXIT", "log_on_failure = ATTEMPT", "no_access = 127.0.0.4")
	status := t.TempDir() + "/status"
	s, port := start(t, stream+datagram, nil, "-status", status)
	mustDial(t, "127.0.0.1", "127.0.0.1:"+port)
	s.waitFor(`test: 127\.0\.0\.1:\d+ allowed by default: pid \d+, exit 0`)
	dialFrom("127.0.0.3", "127.0.0.1:"+port)
	sendFrom(t, "127.0.0.4", "127.0.0.1:"+port, "bad")
	s.waitFor(`test: 127\.0\.0\.4:\d+ denied by`)
	sendFrom(t, "127.0.0.1", "127.0.0.1:"+port, "good")
	const time = `\d\d/\d+/\d+@\d\d:\d\d:\d\d: `
	waitForFile(t, s.dir+"/tcp.log", `^`+time+`START: test from=127\.0\.0\.1\n`+time+`FAIL: test address from=127\.0\.0\.3\n$`)
	waitForFile(t, s.dir+"/udp.log", `^`+time+`FAIL: test address\n`+time+`START: test\n`+time+`EXIT: test status=0\n$`)
	var got strings.Builder
	if err := statusCommand([]string{"-status", status}, &got); err != nil {
		t.Fatal(err)
	}
	if n := len(regexp.MustCompile(`(?m)^test +0 +\S+ +1 +1 +0 +0 `).FindAllString(got.String(), -1)); n != 2 {
		t.Errorf("status:\n%s", got.String())
	}
}

func waitForFile(t *testing.T, name string, patterns ...string) {
	t.Helper()
	for _, p := range patterns {
		re := regexp.MustCompile(p)
		for end := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			b, _ := os.ReadFile(name)
			if re.Match(b) {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%s has %q, want %s", name, b, p)
			}
		}
	}
}
