//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"doorward/cmd/internal/itself"
	"doorward/cmd/internal/sandbox"
)

// The test binary is the inside of a sandbox, too.
func init() { sandbox.Main() }

var compareFiles = map[string]string{
	"hosts.allow": `smtp: 192.0.2.1 : setenv A b c : spawn echo %c %h %n %s %H %N %H : severity mail.info: allow
smtp: 192.0.2.2
smtp: joe@192.0.2.4 : twist /bin/echo %u %% %z
smtp: 192.0.2.5 : rfc931 : keepalive
smtp: 192.0.2.6 : setenv B : bogus x
noline
smtp: 192.0.2.8 : user nosuchuser
smtp: 192.0.2.9 : group nosuchgroup : nice
smtp: 192.0.2.10 : aclexec /bin/false : allow
smtp: 192.0.2.11 : setenv A=b
smtp: paranoid
smtp: 192.0.2.12 : nice : linger 5: banners /x : umask 022 : KeepAlive
smtp: [2001:db8::7] : DENY
smtp: unknown : severity = mail.info
imap@192.0.2.2: 192.0.2.1
imap: @group
`,
	"hosts.deny": "ALL: 192.0.2.3 : spawn (echo hi)\nALL: ALL EXCEPT localhost\n",
	"inetd.conf": "smtp stream tcp nowait root /usr/sbin/tcpd /bin/smtp\nx\ncat stream tcp nowait root /bin/cat cat\n",
}

var compareEtc = map[string]string{
	"host.conf":     "multi on\n",
	"nsswitch.conf": "hosts: files\nnetgroup: files\n",
	"netgroup":      "group (one.example.net,,)\n",
	"hosts": `127.0.0.1 localhost
::1 localhost
192.0.2.1 one.example.net alias
192.0.2.2 two.example.net
192.0.2.3 two.example.net
2001:db8::7 six.example.net
192.0.2.13 mixed.example.net
2001:db8::9 mixed.example.net
192.0.2.70 first.example.net
192.0.2.70 second.example.net
192.0.2.80 y.example.net x.example.net
192.0.2.81 x.example.net
`,
}

var compareDaemons = []string{"smtp", "imap", "imap@192.0.2.2", "imap@alias", "smtp@two.example.net", "smtp@192.0.2.77", "smtp@1", "smtp@unknown",
	"smtp@paranoid", "smtp@nosuch.example.net", "smtp@", "", "/usr/sbin/smtp", "in.ftpd/x", "cat"}

var compareClients = []string{"192.0.2.1", "192.0.2.2", "joe@192.0.2.4", "192.0.2.4", "192.0.2.5", "192.0.2.6", "192.0.2.8", "192.0.2.9", "192.0.2.10",
	"192.0.2.11", "192.0.2.12", "one.example.net", "alias", "two.example.net", "six.example.net", "mixed.example.net", "second.example.net",
	"x.example.net", "localhost", "nosuch.example.net", "ONE.example.net", "2001:db8::7", "[2001:db8::7]", "::ffff:192.0.2.1", "fe80::1%lo",
	"paranoid", "unknown", "joe@unknown", "10.0.0.0/8", "a@b@192.0.2.1", "@192.0.2.1", "joe@", "", "1", "192.0.2", "192.0.2.300", "127.1", "0x7f.1", "192.0.513", "4294967295"}

// Whatever the installed tcpdmatch prints and tells syslog, ours prints: the
// lines about both ends and the verdict, the rule and its options, the errors,
// and every warning.
func TestCompareTcpdmatch(t *testing.T) {
	original, err := exec.LookPath("tcpdmatch")
	switch {
	case os.Getenv("DOORWARD_COMPARE") != "1":
		t.Skip("needs DOORWARD_COMPARE=1 and tcpdmatch(8)")
	case err != nil:
		t.Skip("needs tcpdmatch(8)")
	case os.Getuid() != 0:
		t.Skip("needs root")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range compareFiles {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var commands []sandbox.Command
	for _, daemon := range compareDaemons {
		for _, client := range compareClients {
			args := []string{original, "-d", "-i", "inetd.conf", daemon, client}
			commands = append(commands, sandbox.Command{Args: args, Dir: dir},
				sandbox.Command{Args: append([]string{self}, args[1:]...), Dir: dir, Env: []string{itself.Env}})
		}
	}
	results, err := sandbox.Run(compareEtc, commands...)
	if err != nil {
		t.Fatal(err)
	}
	warnings := 0
	for i := 0; i < len(results); i += 2 {
		warnings += compareAnswers(t, commands[i].Args[4:], results[i], results[i+1])
	}
	t.Logf("tcpdmatch: %d answers the same, %d warnings of the original's in them", len(results)/2, warnings)
}

// compareAnswers returns how many warnings the original had.
func compareAnswers(t *testing.T, args []string, want, got sandbox.Result) (warnings int) {
	t.Helper()
	theirs := lines(want.Stdout)
	for _, text := range want.Log {
		theirs = append(theirs, strings.TrimPrefix(text, "tcpdmatch: "))
	}
	ours := append(lines(got.Stdout), lines(got.Stderr)...)
	if strings.HasPrefix(args[1], "::ffff:") {
		// A client that came through a dual-stack socket has met a server with
		// the same form of address; the original writes each as it was typed.
		theirs, ours = without("::ffff:", theirs), without("::ffff:", ours)
	}
	for _, word := range []string{"client:", "server:", "access:", "matched:", "option:", "error:"} {
		if g, w := with(word, ours), with(word, theirs); !slices.Equal(g, w) {
			t.Errorf("%q: got\n%s\nwant\n%s", args, strings.Join(g, "\n"), strings.Join(w, "\n"))
		}
	}
	if got.Code != want.Code {
		t.Errorf("%q: exit %d, want %d", args, got.Code, want.Code)
	}
	for _, w := range with("warning:", theirs) {
		if warnings++; !slices.ContainsFunc(ours, func(o string) bool { return sameWarning(o, w) }) {
			t.Errorf("%q: nothing like %q in\n%s", args, w, strings.Join(ours, "\n"))
		}
	}
	return warnings
}

// sameWarning compares warnings without the word in quotes, which only ours
// have, and without the system's error, which only the original has.
func sameWarning(ours, theirs string) bool {
	plain := func(s string) string {
		s = strings.TrimPrefix(strings.ReplaceAll(s, `"`, ""), "warning: ")
		s, _, _ = strings.Cut(strings.Replace(s, ": No", ": no", 1), ": no such file")
		return strings.TrimSuffix(s, " in /usr/sbin")
	}
	place, text, _ := strings.Cut(plain(theirs), ": ")
	return strings.HasPrefix(plain(ours), place) && strings.HasSuffix(plain(ours), text)
}

func lines(s string) []string { return strings.Split(strings.TrimRight(s, "\n"), "\n") }

func with(word string, all []string) (some []string) {
	for _, line := range all {
		if strings.HasPrefix(line, word) {
			some = append(some, strings.TrimSpace(line))
		}
	}
	return some
}

func without(text string, all []string) []string {
	return strings.Split(strings.ReplaceAll(strings.Join(all, "\n"), text, ""), "\n")
}
