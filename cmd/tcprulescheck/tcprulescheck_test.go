package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	rules "doorward/acl/tcprules"
	"doorward/cmd/internal/itself"
)

func TestMain(m *testing.M) { itself.Main(m, main) }

// run runs the command in dir with env and nothing else in its environment.
func run(t *testing.T, dir string, env []string, args ...string) itself.Result {
	t.Helper()
	cmd := itself.Command(t, args...)
	cmd.Dir, cmd.Env = dir, append(env[:len(env):len(env)], itself.Env)
	return itself.Run(t, cmd)
}

// files writes the same rules as text and as database.
func files(t *testing.T, text string) (dir string) {
	t.Helper()
	r, err := rules.Parse("smtp", text)
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	put(t, dir, "smtp", text)
	put(t, dir, "smtp.cdb", string(r.CDB()))
	return dir
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestCheck(t *testing.T) {
	dir := files(t, `192.0.2.:allow,RELAYCLIENT="",A="x",A="y"
=.example.net:deny,A="x"
@198.51.100.7:allow
203.0.113.64/26:deny
0.0.0.0:deny
`)
	tests := []struct{ why, env, want string }{
		{"all variables, in order", "TCPREMOTEIP=192.0.2.7",
			"rule 192.0.2.:\nset environment variable RELAYCLIENT=\nset environment variable A=x\nset environment variable A=y\nallow connection\n"},
		{"no rule", "TCPREMOTEIP=198.51.100.7", "default:\nallow connection\n"},
		{"a name; no variables where nothing runs", "TCPREMOTEIP=198.51.100.7 TCPREMOTEHOST=mx.example.net",
			"rule =.example.net:\ndeny connection\n"},
		{"a user without a name is one", "TCPREMOTEIP=198.51.100.7 TCPREMOTEINFO=", "rule @198.51.100.7:\nallow connection\n"},
		{"a prefix in bits", "TCPREMOTEIP=203.0.113.99", "rule 203.0.113.64/26:\ndeny connection\n"},
		{"no address is 0.0.0.0", "", "rule 0.0.0.0:\ndeny connection\n"},
		{"an address that is none", "TCPREMOTEIP=nonsense", "default:\nallow connection\n"},
	}
	for _, tt := range tests {
		for _, file := range []string{"smtp.cdb", "smtp"} {
			t.Run(tt.why+"/"+file, func(t *testing.T) {
				if got, want := run(t, dir, strings.Fields(tt.env), file), (itself.Result{Stdout: tt.want}); got != want {
					t.Errorf("got %+v, want %+v", got, want)
				}
			})
		}
	}
}

// What is wrong in a file comes first, the original's word for it last.
func TestFaults(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "empty", "")
	put(t, dir, "broken.cdb", "rubbish")
	put(t, dir, "text", ":allow\nx\n")
	tests := []struct {
		file, stderr string
		status       int
	}{
		{"missing", "tcprulescheck: fatal: unable to read missing: file does not exist\n", 111},
		{".", "tcprulescheck: fatal: unable to read .: is a directory\n", 111},
		{"empty", "tcprulescheck: fatal: unable to read empty: invalid argument\n", 111},
		{"broken.cdb", "tcprulescheck: broken.cdb: not a constant database: 7 bytes long\n" +
			"tcprulescheck: fatal: unable to read broken.cdb: protocol error\n", 111},
		{"text", `tcprulescheck: text:2: "x": want an address, a colon and allow or deny` + "\n" +
			"tcprulescheck: fatal: unable to read text: protocol error\n", 111},
	}
	for _, tt := range tests {
		if got, want := run(t, dir, nil, tt.file), (itself.Result{Stderr: tt.stderr, Status: tt.status}); got != want {
			t.Errorf("%s: got %+v, want %+v", tt.file, got, want)
		}
	}
}

func TestUsage(t *testing.T) {
	want := itself.Result{Stderr: "tcprulescheck: usage: tcprulescheck rules.cdb\n", Status: 100}
	if got := run(t, t.TempDir(), nil); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
