package syslog_test

import (
	"net"
	"path/filepath"
	"regexp"
	"testing"

	"doorward/launcher/syslog"
)

func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	w := syslog.Writer{Tag: "in.ftpd", PID: 42, Path: path}
	if err := w.Write(syslog.Daemon|syslog.Info, "connect from a\nb"); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, err := l.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`^<30>[A-Z][a-z]{2} [ 0-9]\d \d\d:\d\d:\d\d in\.ftpd\[42\]: connect from a\\012b$`)
	if !want.Match(buf[:n]) {
		t.Errorf("got %q", buf[:n])
	}
}

func TestWriteToNobody(t *testing.T) {
	w := syslog.Writer{Path: filepath.Join(t.TempDir(), "log")}
	if err := w.Write(syslog.Daemon|syslog.Info, "x"); err == nil {
		t.Error("no error though nobody listens")
	}
}

func TestPriorityWith(t *testing.T) {
	tests := []struct {
		word string
		want syslog.Priority // -1: an error
	}{
		{"mail.debug", 2<<3 | 7},
		{"LOCAL7.emerg", 23 << 3},
		{"notice", 3<<3 | 5}, // the facility stays
		{"mail.", -1},
		{"mail", -1},
		{"nowhere.info", -1},
	}
	for _, tt := range tests {
		got, err := (syslog.Daemon | syslog.Info).With(tt.word)
		if err != nil {
			got = -1
		}
		if got != tt.want {
			t.Errorf("%s: got %d (%v), want %d", tt.word, got, err, tt.want)
		}
	}
}
