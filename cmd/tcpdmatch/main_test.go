package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"doorward/cmd/internal/itself"
)

func TestMain(m *testing.M) { itself.Main(m, main) }

const (
	allow = `smtp: 192.0.2.1 : setenv A b c : spawn echo %c %n : severity mail.info : allow
smtp: joe@192.0.2.4 : twist /bin/echo %u
smtp: 192.0.2.8 : setenv A b : user no-such-user : nice
smtp: [2001:db8::7] : deny
smtp: paranoid
imap@192.0.2.25: 192.0.2.9
`
	deny = "ALL: ALL EXCEPT localhost\n"
)

// ask runs tcpdmatch in a directory with both tables.
func ask(t *testing.T, args ...string) itself.Result {
	t.Helper()
	cmd := itself.Command(t, args...)
	cmd.Dir = t.TempDir()
	for name, text := range map[string]string{"hosts.allow": allow, "hosts.deny": deny} {
		if err := os.WriteFile(filepath.Join(cmd.Dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return itself.Run(t, cmd)
}

func TestAnswers(t *testing.T) {
	tests := []struct{ daemon, client, want string }{
		{"smtp", "192.0.2.1", "client:   address  192.0.2.1\nserver:   process  smtp\nmatched:  hosts.allow line 1\n" +
			"option:   setenv A b c\noption:   spawn echo 192.0.2.1 unknown\noption:   severity mail.info\noption:   allow\naccess:   granted\n"},
		{"smtp", "joe@192.0.2.4", "client:   address  192.0.2.4\nclient:   username joe\nserver:   process  smtp\n" +
			"matched:  hosts.allow line 2\noption:   twist /bin/echo joe\naccess:   delegated\n"},
		{"smtp", "192.0.2.4", "client:   address  192.0.2.4\nserver:   process  smtp\nmatched:  hosts.deny line 1\naccess:   denied\n"},
		{"smtp", "192.0.2.8", "client:   address  192.0.2.8\nserver:   process  smtp\nmatched:  hosts.allow line 3\noption:   setenv A b\n" +
			"option:   user no-such-user\nerror: hosts.allow, line 3: unknown user: \"no-such-user\"\naccess:   denied\n"},
		{"smtp", "2001:db8::7", "client:   address  2001:db8::7\nserver:   process  smtp\nmatched:  hosts.allow line 4\noption:   deny\naccess:   denied\n"},
		{"smtp", "paranoid", "client:   hostname paranoid\nserver:   process  smtp\nmatched:  hosts.allow line 5\naccess:   granted\n"},
		{"/usr/sbin/smtp", "unknown", "warning: /usr/sbin/smtp: daemon name normalized to: smtp\nserver:   process  smtp\nmatched:  hosts.deny line 1\naccess:   denied\n"},
		{"smtp", "1", "warning: host address 0.0.0.1->name lookup failed\nclient:   address  0.0.0.1\nserver:   process  smtp\nmatched:  hosts.deny line 1\naccess:   denied\n"},
		{"imap@192.0.2.25", "192.0.2.9", "matched:  hosts.allow line 6\naccess:   granted\n"},
	}
	for _, tt := range tests {
		got := ask(t, "-d", tt.daemon, tt.client)
		if got.Status != 0 || got.Stderr != "" || !strings.HasSuffix(got.Stdout, tt.want) {
			t.Errorf("%s %s: got %+v\nwant %q", tt.daemon, tt.client, got, tt.want)
		}
	}
}

// Whatever cannot be answered is exit status 1 and nothing on standard output.
func TestNoAnswer(t *testing.T) {
	tests := []struct {
		args []string
		errs string
	}{
		{nil, "usage: tcpdmatch "},
		{[]string{"smtp"}, "usage: tcpdmatch "},
		{[]string{"-x", "smtp", "192.0.2.1"}, "tcpdmatch: illegal option -- x\nusage: "},
		{[]string{"-i", "/nonexistent", "smtp", "192.0.2.1"}, "open /nonexistent: "},
		{[]string{"-d", "smtp", "10.0.0.0/8"}, "10.0.0.0/8: host not found"},
		{[]string{"-d", "smtp@", "192.0.2.1"}, ": host not found"},
	}
	for _, tt := range tests {
		got := ask(t, tt.args...)
		if got.Status != 1 || got.Stdout != "" || !strings.HasPrefix(got.Stderr, tt.errs) {
			t.Errorf("%q: got %+v", tt.args, got)
		}
	}
}
