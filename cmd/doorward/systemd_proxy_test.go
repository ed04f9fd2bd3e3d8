package main

import (
	"encoding/hex"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// proxiedService says who its client is and what it reads first.
const proxiedService = `service proxied
{
	type           = UNLISTED
	socket_type    = stream
	protocol       = tcp
	wait           = no
	user           = nobody
	flags          = IPv4
	port           = 7004
	proxy_protocol = 127.0.0.1/32
	server         = /bin/sh
	server_args    = /etc/proxied.sh
}
`

// On a socket that systemd holds, a client is who the proxy's header says it
// is, and who sends no header is not waited for for ever.
func TestSystemdProxyProtocol(t *testing.T) {
	if !inSystemd(t) {
		return
	}
	install(t)
	for name, text := range map[string]string{
		"/etc/proxied.sh":    "read line\necho \"$TCPREMOTEIP $TCPREMOTEPORT $line\"\n",
		"/etc/doorward.conf": twin("held", "7001", "daemon", "0") + twin("idle", "7003", "nobody", "0") + proxiedService,
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("/usr/local/bin/doorward", "units", "-config", "/etc/doorward.conf", "-out", "/run/systemd/system")
	cmd.Env = append(os.Environ(), actAsDoorward+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	systemctl(t, "daemon-reload")
	systemctl(t, "stop", "doorward.service")
	systemctl(t, "start", "doorward-proxied.socket", "doorward.service")

	v2, _ := hex.DecodeString("0d0a0d0a000d0a515549540a" + "2111000c" + "c0000208" + "c6336401" + "9c42" + "0019")
	tests := []struct{ name, from, header, want string }{
		{"version 1", "127.0.0.1", "PROXY TCP4 192.0.2.7 198.51.100.1 40001 25\r\n", "192.0.2.7 40001 hello\n"},
		{"version 2", "127.0.0.1", string(v2), "192.0.2.8 40002 hello\n"},
		{"no header", "127.0.0.1", "", ""},
		{"who is no proxy", "127.0.0.2", "PROXY TCP4 192.0.2.7 198.51.100.1 40001 25\r\n", ""},
	}
	for _, tt := range tests {
		if got := introduced(t, tt.from, tt.header+"hello\n"); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	began := time.Now()
	if got := introduced(t, "127.0.0.1", ""); got != "" {
		t.Errorf("a silent client got %q", got)
	}
	t.Logf("a silent client was ended after %v", time.Since(began).Round(time.Millisecond))
}

// introduced is what a client that says this is answered until it is ended.
func introduced(t *testing.T, from, says string) string {
	t.Helper()
	c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).Dial("tcp", "127.0.0.1:7004")
	if errors.Is(err, syscall.ECONNRESET) {
		return "" // the reset may be faster than the dial
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(c, says)
	var b strings.Builder
	if _, err := io.Copy(&b, c); err != nil && os.IsTimeout(err) {
		t.Errorf("%q is still waited for", says)
	}
	return b.String()
}
