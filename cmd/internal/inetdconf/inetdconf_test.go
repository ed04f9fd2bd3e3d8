package inetdconf_test

import (
	"io/fs"
	"os"
	"testing"

	"doorward/cmd/internal/inetdconf"
)

const conf = `# service type protocol wait user program arguments
smtp stream tcp nowait root /usr/sbin/tcpd /bin/sh -c true
ftp  stream tcp nowait root /usr/sbin/tcpd in.no-such-ftpd
cat  stream tcp nowait root /bin/cat cat
time stream tcp nowait root internal
self stream tcp nowait root /usr/sbin/tcpd tcpd
half stream tcp
lone stream tcp nowait root /usr/sbin/tcpd
file stream tcp nowait root /etc/passwd passwd
`

func TestDaemonsAreThoseBehindTcpd(t *testing.T) {
	ds, errs := inetdconf.Parse("inetd.conf", conf, os.Stat)
	for daemon, want := range map[string]string{
		"sh":              "",
		"in.no-such-ftpd": "",
		"cat":             "service possibly not wrapped",
		"time":            "no such process name in inetd.conf",
		"smtp":            "no such process name in inetd.conf", // the service, not its daemon
	} {
		if got := ds.Fault(daemon, "inetd.conf"); got != want {
			t.Errorf("%s: got %q, want %q", daemon, got, want)
		}
	}
	want := []string{
		`inetd.conf:3: "in.no-such-ftpd": not found`,
		`inetd.conf:6: "tcpd": tcpd is recursively calling itself`,
		`inetd.conf:7: "half": incomplete line`,
		`inetd.conf:8: "/usr/sbin/tcpd": incomplete line`,
		`inetd.conf:9: "/etc/passwd": not executable`,
	}
	if len(errs) != len(want) {
		t.Fatalf("got %v", errs)
	}
	for i, err := range errs {
		if err.Error() != want[i] {
			t.Errorf("got %v, want %s", err, want[i])
		}
	}
}

// Whatever the text, a daemon has a name, and no more errors than lines.
func FuzzParse(f *testing.F) {
	f.Add(conf)
	f.Add("a b c d e / f")
	f.Add("a b c d e tcpd /")
	none := func(string) (fs.FileInfo, error) { return nil, fs.ErrNotExist }
	f.Fuzz(func(t *testing.T, src string) {
		ds, errs := inetdconf.Parse("f", src, none)
		if _, ok := ds[""]; ok {
			t.Error("a daemon without a name")
		}
		lines := 1
		for _, c := range src {
			if c == '\n' {
				lines++
			}
		}
		if len(errs) > lines {
			t.Errorf("%d errors in %d lines", len(errs), lines)
		}
	})
}
