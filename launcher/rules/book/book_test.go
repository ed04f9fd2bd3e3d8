package book_test

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"doorward/acl"
	"doorward/launcher/rules/book"
)

// shelf is a directory of rule files, and the book made of them.
func shelf(t testing.TB, files map[string]string) (dir string, b *book.Book) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
	}
	return dir, &book.Book{HostsAllow: dir + "/allow", HostsDeny: dir + "/deny"}
}

func write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func policy(t testing.TB, b *book.Book, words ...string) acl.Policy {
	t.Helper()
	p, err := b.Policy(words...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func request(addr string) *acl.Request {
	return &acl.Request{Daemon: "smtp", Remote: netip.AddrPortFrom(netip.MustParseAddr(addr), 40000)}
}

func verdict(p acl.Policy, addr string) acl.Verdict { return p.Decide(request(addr)).Verdict }

func TestPolicy(t *testing.T) {
	files := map[string]string{
		"allow":   "smtp: 192.0.2.1\n",
		"deny":    "ALL: 192.0.2.\n",
		"smtp":    "192.0.2.66:deny\n192.0.2.5:allow,RBLSMTPD=\"no\"\n:allow\n",
		"strict":  "198.51.100.:allow\n:deny\n",
		"missing": "smtp: DIR/nobody\n",
	}
	tests := []struct {
		words string // with DIR for the directory
		addr  string
		want  acl.Verdict
	}{
		{"", "192.0.2.66", acl.Pass}, // no rules: the default of whoever asks
		{"hosts", "192.0.2.1", acl.Allow},
		{"hosts", "192.0.2.2", acl.Deny},
		{"hosts", "203.0.113.1", acl.Pass},
		{"tcprules:DIR/smtp", "192.0.2.66", acl.Deny},
		{"tcprules:DIR/smtp", "192.0.2.1", acl.Allow},
		{"tcprules:DIR/smtp", "192.0.2.5", acl.Allow},          // what it is to be told is not asked for here
		{"tcprules:DIR/smtp rblsmtpd", "192.0.2.5", acl.Deny},  // and here it is
		{"rblsmtpd tcprules:DIR/smtp", "192.0.2.5", acl.Allow}, // a word before, not behind
		{"hosts tcprules:DIR/strict", "192.0.2.1", acl.Deny},   // the first denial counts
		{"hosts tcprules:DIR/strict", "198.51.100.1", acl.Allow},
	}
	dir, b := shelf(t, files)
	for _, tt := range tests {
		t.Run(tt.words+" "+tt.addr, func(t *testing.T) {
			p := policy(t, b, strings.Fields(strings.ReplaceAll(tt.words, "DIR", dir))...)
			if got := verdict(p, tt.addr); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// A mistake is told with file and line, all mistakes are told at once, and
// there is no policy: whoever cannot tell what was meant lets nobody in.
func TestPolicyMistakes(t *testing.T) {
	dir, b := shelf(t, map[string]string{
		"allow":  "smtp 192.0.2.1\nsmtp: ALL: nosuch\n",
		"deny":   "ALL: ALL\n",
		"broken": "192.0.2.:let\n",
	})
	tests := []struct {
		words string
		want  []string
	}{
		{"hosts", []string{dir + "/allow:1", dir + "/allow:2"}},
		{"tcprules:" + dir + "/broken", []string{dir + "/broken:1"}},
		{"tcprules:" + dir + "/none", []string{dir + "/none"}}, // tcpserver stops, too
		{"tcprules:" + dir, []string{dir}},
		{"tcprules:", []string{`"tcprules:": want hosts, `}},
		{"tcprules", []string{`"tcprules": want hosts, `}},
		{"Hosts", []string{`"Hosts": want hosts, `}},
		{"hosts nosuch", []string{dir + "/allow:1", `"nosuch": want hosts, `}},
	}
	for _, tt := range tests {
		t.Run(tt.words, func(t *testing.T) {
			p, err := b.Policy(strings.Fields(tt.words)...)
			if err == nil || p != nil {
				t.Fatalf("got %v, %v", p, err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in %v", want, err)
				}
			}
		})
	}
	if files := b.Files(); len(files) != 0 {
		t.Errorf("files are looked at for rules that nobody has: %q", files)
	}
}

// Tables that do not exist let everybody in, as in tcp_wrappers, until they
// do; and so it is with files of patterns.
func TestMissingFiles(t *testing.T) {
	dir, b := shelf(t, nil)
	p := policy(t, b, "hosts")
	steps := []struct {
		file, text string
		want       acl.Verdict
	}{
		{"", "", acl.Pass},
		{"deny", "ALL: DIR/offenders\n", acl.Pass},
		{"offenders", "192.0.2.0/24\n", acl.Deny},
		{"allow", "smtp: 192.0.2.7\n", acl.Allow},
	}
	for _, s := range steps {
		if s.file != "" {
			write(t, filepath.Join(dir, s.file), strings.ReplaceAll(s.text, "DIR", dir))
			if changed, err := b.Reload(); !changed || err != nil {
				t.Fatalf("%s: got %t, %v", s.file, changed, err)
			}
		}
		if got := verdict(p, "192.0.2.7"); got != s.want {
			t.Errorf("with %q: got %v, want %v", s.file, got, s.want)
		}
	}
	want := []string{dir + "/allow", dir + "/deny", dir + "/offenders"}
	if got := b.Files(); !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
}

// A directory in the place of a file of patterns has none, and nobody hears of
// it at each connection.
func TestPatternFileThatIsADirectory(t *testing.T) {
	_, b := shelf(t, map[string]string{"deny": "ALL: /\n"})
	d := policy(t, b, "hosts").Decide(request("192.0.2.1"))
	if d.Verdict != acl.Pass || len(d.Notes) != 0 {
		t.Errorf("got %+v", d)
	}
}

// Files are in the list whether they exist or not: one that appears is a change.
func TestFilesNamesThoseThatDoNotExist(t *testing.T) {
	dir, b := shelf(t, nil)
	policy(t, b, "hosts")
	if got, want := b.Files(), []string{dir + "/allow", dir + "/deny"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Who only touches a file, or writes what it says anyway, has changed nothing.
func TestReloadOfTheSame(t *testing.T) {
	dir, b := shelf(t, map[string]string{"deny": "ALL: ALL\n"})
	policy(t, b, "hosts")
	write(t, dir+"/deny", "ALL: ALL\n")
	if changed, err := b.Reload(); changed || err != nil {
		t.Errorf("got %t, %v", changed, err)
	}
	write(t, dir+"/allow", "") // it does not say more than no file, but it is one
	if changed, err := b.Reload(); !changed || err != nil {
		t.Errorf("got %t, %v", changed, err)
	}
}

// A policy whose words were forgotten lets nobody in; others go on.
func TestKeep(t *testing.T) {
	dir, b := shelf(t, map[string]string{"smtp": ":allow\n", "imap": ":allow\n"})
	smtp, imap := policy(t, b, "tcprules:"+dir+"/smtp"), policy(t, b, "tcprules:"+dir+"/imap")
	b.Keep([]string{"tcprules:" + dir + "/smtp", "never asked for"})
	if v, w := verdict(smtp, "192.0.2.1"), verdict(imap, "192.0.2.1"); v != acl.Allow || w != acl.Deny {
		t.Errorf("got %v and %v", v, w)
	}
	if got, want := b.Files(), []string{dir + "/smtp"}; !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
}

// Lines that mean something else than they seem to are told of whenever they
// are read, and change nothing else.
func TestWarn(t *testing.T) {
	var warnings []string
	dir, b := shelf(t, map[string]string{"deny": "ALL: /nonexistent/offenders\n"})
	b.Warn = func(err error) { warnings = append(warnings, err.Error()) }
	policy(t, b, "hosts")
	write(t, dir+"/allow", "smtp: 192.0.2.1\n")
	if _, err := b.Reload(); err != nil {
		t.Fatal(err)
	}
	if len(warnings) != 2 || !strings.Contains(warnings[1], dir+"/deny:1") {
		t.Errorf("got %q", warnings)
	}
}

// A change writes a file, of one of two dialects, that keeps out one client;
// client 0: that has a mistake.
type change struct {
	file   string
	client int
}

func (c change) text() string {
	switch {
	case c.client == 0:
		return "one : two : three : nosuch\n" // in either dialect
	case c.file == "deny":
		return fmt.Sprintf("ALL: 192.0.2.%d\n", c.client)
	}
	return fmt.Sprintf("192.0.2.%d:deny\n:allow\n", c.client)
}

// Files are written well, badly and not at all, and now and then read again.
// What holds is always what all of them last said together when there was no
// mistake in any.
func TestReloadIsAllOrNothing(t *testing.T) {
	changes := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) change {
		return change{rapid.SampledFrom([]string{"deny", "smtp"}).Draw(t, "file"), rapid.IntRange(0, 3).Draw(t, "client")}
	}), 0, 3)
	rapid.Check(t, func(rt *rapid.T) {
		rounds := rapid.SliceOfN(changes, 1, 8).Draw(rt, "changes before each reload")
		var err error
		synctest.Test(t, func(t *testing.T) { err = reloads(t, rounds) }) // where there are no leases, files get time to settle
		if err != nil {
			rt.Fatal(err)
		}
	})
}

func reloads(t *testing.T, rounds [][]change) error {
	first := []change{{"deny", 1}, {"smtp", 2}}
	dir, b := shelf(t, map[string]string{"deny": first[0].text(), "smtp": first[1].text()})
	p := policy(t, b, "hosts", "tcprules:"+dir+"/smtp")
	written := map[string]int{"deny": 1, "smtp": 2}
	holds := maps.Clone(written)
	for _, changes := range rounds {
		for _, c := range changes {
			write(t, filepath.Join(dir, c.file), c.text())
			written[c.file] = c.client
		}
		mistake := written["deny"] == 0 || written["smtp"] == 0
		news := !mistake && !maps.Equal(written, holds)
		if changed, err := b.Reload(); changed != news || (err != nil) != mistake {
			return fmt.Errorf("%v over %v: changed %t, %v", written, holds, changed, err)
		}
		if !mistake {
			holds = maps.Clone(written)
		}
		for client := 1; client <= 3; client++ {
			denied := verdict(p, fmt.Sprintf("192.0.2.%d", client)) == acl.Deny
			if denied != (holds["deny"] == client || holds["smtp"] == client) {
				return fmt.Errorf("with %v: client %d denied %t", holds, client, denied)
			}
		}
	}
	return nil
}

// However often two files change, nobody is judged by the new one of one and
// the old one of the other.
func TestOneRequestOnePage(t *testing.T) {
	dir, b := shelf(t, nil)
	edition := func(n int) {
		write(t, dir+"/a", fmt.Sprintf(":allow,A=\"%d\"\n", n))
		write(t, dir+"/b", fmt.Sprintf(":allow,B=\"%d\"\n", n))
	}
	edition(0)
	p := policy(t, b, slices.Repeat([]string{"tcprules:" + dir + "/a", "tcprules:" + dir + "/b"}, 50)...)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for over := false; !over; {
				select {
				case <-done:
					over = true // and once more
				default:
				}
				env := p.Decide(request("192.0.2.1")).Env
				if len(env) != 100 || slices.ContainsFunc(env, func(e acl.Setenv) bool { return e.Value != env[0].Value }) {
					t.Errorf("got %v", env)
				}
			}
		})
	}
	for n := 1; n <= 20; n++ {
		edition(n)
		if changed, err := b.Reload(); !changed || err != nil {
			t.Errorf("edition %d: got %t, %v", n, changed, err)
		}
	}
	close(done)
	readers.Wait()
	if env := p.Decide(request("192.0.2.1")).Env; env[0].Value != "20" {
		t.Errorf("in the end %v", env)
	}
}
