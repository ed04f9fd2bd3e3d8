package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestCheck(t *testing.T) {
	service := "service x\n{\n\ttype = UNLISTED\n\tport = 2525\n\tsocket_type = stream\n\twait = no\n\tserver = /bin/sh\n\tuser = " + strconv.Itoa(os.Getuid()) + "\n"
	tests := []struct {
		what, allow, config, inetd string
		want                       []string // beginnings of lines; DIR stands for the directory
		code                       error
	}{
		{"nothing to say", "smtp: 192.0.2.7\n", "", "", nil, nil},
		{"a warning", "smtp: 192.0.2.1/24\n", "", "", []string{`DIR/hosts.allow:1: "192.0.2.1/24": `}, foundWarnings},
		{"an error after a warning, by line", "noline\nsmtp: 192.0.2.1/24\n", "", "",
			[]string{`DIR/hosts.allow:1: "noline": missing`, `DIR/hosts.allow:2: "192.0.2.1/24": `}, foundErrors},
		{"a service with a mistake", "", "service x\n{\n\tbogus = 1\n}\n", "", []string{`DIR/conf:`}, foundErrors},
		{"daemons of services, by name and port", "sh: ALL\n2525: ALL\ns*: ALL\nSMTP: ALL\nsmtp, 25: ALL\n", service + "}\n", "",
			[]string{`DIR/hosts.allow:4: "SMTP": no such process name in DIR/conf [NO-DAEMON]`, `DIR/hosts.allow:5: "25": no such process`}, foundWarnings},
		{"a service that asks no tables", "sh: ALL\n", service + "\tflags = NOLIBWRAP\n}\n", "", []string{`DIR/hosts.allow:1: "sh": service possibly not wrapped`}, foundWarnings},
		{"daemons of inetd.conf", "sh: ALL\nsmtp: ALL\n", "", "smtp stream tcp nowait root /usr/sbin/tcpd /bin/sh\nx\n",
			[]string{`DIR/hosts.allow:2: "smtp": no such process name in DIR/conf or DIR/inetd.conf [NO-DAEMON]`, `DIR/inetd.conf:2: "x": incomplete line [INETD]`}, foundWarnings},
		{"whom and what options name", "a: ALL: user no-such-user\na: ALL: group no-such-group\na: ALL: banners DIR/none\na: ALL: banners DIR\n", "", "",
			[]string{`DIR/hosts.allow:1: "user no-such-user": unknown user: "no-such-user"; whom the rule matches is denied [NO-USER]`,
				`DIR/hosts.allow:2: "group no-such-group": unknown group`, `DIR/hosts.allow:3: "banners DIR/none": no such directory`}, foundErrors},
		{"a netgroup nobody has heard of", "a: @no-such-group\n", "", "", []string{`DIR/hosts.allow:1: "@no-such-group": unknown or empty netgroup [NO-NETGROUP]`}, foundWarnings},
		{"a user where there can be none", "a: joe@\n", "", "", []string{`DIR/hosts.allow:1: "@": no host`}, foundWarnings},
		{"a pattern file that is not there", "a: DIR/none\n", "", "", []string{`DIR/hosts.allow:1: "DIR/none": no such file`}, foundWarnings},
		{"no newline at the end", "a: ALL\nb: ALL", "", "", []string{`DIR/hosts.allow:2: "b: ALL": no newline`}, foundWarnings},
	}
	for _, tt := range tests {
		dir := t.TempDir()
		for name, text := range map[string]string{"hosts.allow": tt.allow, "conf": tt.config, "inetd.conf": tt.inetd} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.ReplaceAll(text, "DIR", dir)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		args := []string{"check", "-n", "-hosts-allow", dir + "/hosts.allow", "-hosts-deny", dir + "/hosts.deny", "-config", dir + "/conf"}
		if tt.inetd != "" {
			args = append(args, "-inetd", dir+"/inetd.conf")
		}
		var out strings.Builder
		if err := command(args, &out); err != tt.code {
			t.Errorf("%s: got %v, want %v\n%s", tt.what, err, tt.code, out.String())
		}
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if len(tt.want) > 0 && len(lines) != len(tt.want) && tt.code != foundErrors {
			t.Errorf("%s: got\n%s", tt.what, out.String())
		}
		for i, want := range tt.want {
			if i >= len(lines) || !strings.HasPrefix(lines[i], strings.ReplaceAll(want, "DIR", dir)) {
				t.Errorf("%s: line %d: got\n%s\nwant %s", tt.what, i+1, out.String(), want)
			}
		}
		if len(tt.want) == 0 && out.Len() > 0 {
			t.Errorf("%s: got %s", tt.what, out.String())
		}
	}
}

func TestCheckUsage(t *testing.T) {
	if err := command([]string{"check", "file"}, new(strings.Builder)); err != badUsage {
		t.Errorf("got %v", err)
	}
	if err := command([]string{"check", "-n", "-config", "/dev/null", "-inetd", "/nonexistent"}, new(strings.Builder)); err != foundErrors {
		t.Errorf("an inetd.conf that is not there: %v", err)
	}
	var out strings.Builder
	err := command([]string{"check", "-n", "-config", "/dev/null", "-hosts-allow", "/dev/null/x", "-hosts-deny", "/dev/null"}, &out)
	if err != foundErrors || out.String() != "open /dev/null/x: not a directory [FILE]\n" {
		t.Errorf("a table that cannot be read: %v, %q", err, out.String())
	}
}

// A host is what the resolver can be asked about.
func TestIsHost(t *testing.T) {
	for word, want := range map[string]bool{
		"mx.example.net": true, "mx": true, "192.0.2.7": true, "under_score": true,
		"": false, "ALL": false, "unknown": false, "192.0.2.": false, ".example.net": false, "192.0.2": false, "25": false,
		"192.0.2.0/24": false, "[2001:db8::1]": false, "@group": false, "/file": false, "*.example.net": false, "a@b": false, "2001:db8::1": false,
	} {
		if got := isHost(word); got != want {
			t.Errorf("%q: got %v", word, got)
		}
	}
}

// Whoever sees a code must find it in the manual.
func TestEveryCodeIsInTheManual(t *testing.T) {
	manual, err := os.ReadFile("doorward.8")
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile(`(?:warn\([a-z.]*,? ?|trouble\{|errors\(.*, |code :?= |return )"([A-Z][A-Z0-9-]+)"`)
	files, _ := filepath.Glob("../../acl/hosts/*.go")
	found := 0
	for _, file := range append(files, "check.go", "check_words.go", "check_hosts.go") {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range code.FindAllStringSubmatch(string(src), -1) {
			if found++; !strings.Contains(string(manual), "\n.It Cm "+m[1]+"\n") {
				t.Errorf("%s: %s is not in doorward.8", file, m[1])
			}
		}
	}
	if found < 30 {
		t.Errorf("%d codes found: the search is wrong", found)
	}
}

// Hosts that there is no time for are counted, and nothing is said of them.
func TestExamineAllEndsInTime(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	words := slices.Repeat([]string{"mx.example.net"}, 3*resolveLanes)
	troubles, left := examineAll(ctx, words, newProgress(os.Stderr, len(words)))
	if left != len(words) || slices.ContainsFunc(troubles, func(ts []trouble) bool { return len(ts) > 0 }) {
		t.Errorf("%d left, %v", left, troubles)
	}
}

// Progress is for a terminal, and for what takes long.
func TestProgress(t *testing.T) {
	file, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	written := func() string { b, _ := os.ReadFile(file.Name()); return string(b) }

	p := newProgress(file, 9)
	p.next = time.Time{}
	p.show(1)
	if p.end(); written() != "" {
		t.Errorf("a file got %q", written())
	}
	p = newProgress(file, 9)
	p.out = file // as if it were a terminal
	p.show(1)
	if p.end(); written() != "" {
		t.Errorf("at once: %q", written())
	}
	p.next = time.Time{}
	p.show(2)
	p.show(3) // too soon after the last
	if p.end(); written() != "\r2 of 9 hosts looked up\r\x1b[K" {
		t.Errorf("got %q", written())
	}
}
