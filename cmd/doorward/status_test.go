package main

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// status tells of services and DNS lists; a list that is not what it should
// be is seen to be off, and why.
func TestStatus(t *testing.T) {
	path := t.TempDir() + "/status"
	dns := "dns = 127.0.0.1:" + listed(t)
	s, port := start(t, dumper("test", "instances = 7", "dnsbl = zone.example", dns), nil, "-status", path)
	c := session(t, "127.0.0.1:"+port)
	defer c.finish(t)
	want := regexp.MustCompile(`(?s)process \d+, serving since.*\ntest +1 +7 +1 +0 +0 +0 +\S*:` + port + `\n.*\nzone\.example +IPv4 +on +\d+ .*\nzone\.example +IPv6 +off .*; tried again `)
	var got strings.Builder
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		got.Reset()
		if err := statusCommand([]string{"-status", path}, &got); err != nil {
			t.Fatal(err)
		}
		if want.MatchString(got.String()) {
			return
		}
	}
	t.Errorf("got\n%s\nlog\n%s", got.String(), s.logged())
}

func TestStatusOfNobody(t *testing.T) {
	if err := statusCommand([]string{"-status", t.TempDir() + "/none"}, nil); err == nil {
		t.Error("no error though nobody listens")
	}
}
