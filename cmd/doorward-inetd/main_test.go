package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"doorward/cmd/internal/itself"
	"doorward/cmd/internal/lean"
	"doorward/cmd/internal/listserver"
	"doorward/launcher/when"
)

func TestMain(m *testing.M) { itself.Main(m, main) }

// A visit is what a client and the log saw.
type visit struct {
	got, log string
	code     int
}

// connect has doorward-inetd serve one connection: on descriptor 0, or on 3 as
// systemd passes it. The client sends input and hangs up on its side.
func connect(t *testing.T, config, input string, passed bool, args ...string) visit {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	f, err := server.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	server.Close()

	dir := t.TempDir()
	write(t, dir+"/conf", config)
	write(t, dir+"/allow", "")
	write(t, dir+"/deny", "refused: ALL\n")
	if len(args) == 0 {
		args = []string{"test"}
	}
	args = append([]string{"-config", dir + "/conf", "-hosts-allow", dir + "/allow", "-hosts-deny", dir + "/deny"}, args...)
	cmd := itself.Command(t, args...)
	cmd.Env = append(cmd.Env, "RELAYCLIENT=inherited")
	var log strings.Builder
	cmd.Stderr = &log
	if passed {
		cmd.Path = "/bin/sh"
		cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"`, "sh"}, cmd.Args...)
		cmd.ExtraFiles = []*os.File{f}
	} else {
		cmd.Stdin = f
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	f.Close()
	client.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(client, input)
	client.(*net.TCPConn).CloseWrite()
	got, _ := io.ReadAll(client)
	cmd.Wait()
	return visit{string(got), log.String(), cmd.ProcessState.ExitCode()}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// service has a program that tells its client who it thinks that is, and what
// it said.
func service(t *testing.T, lines ...string) string {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(t.TempDir(), "serve")
	write(t, script, `read line; echo "$TCPREMOTEIP $TCPLOCALIP relay=${RELAYCLIENT-unset} $GIVEN $line"; ls /proc/self/fd | tr '\n' ' '`)
	return "service test\n{\n\ttype = UNLISTED\n\tsocket_type = stream\n\tprotocol = tcp\n\twait = no\n\tport = 7\n\tserver = /bin/sh\n\tserver_args = " +
		script + "\n\tuser = " + me.Username + "\n\tenv = GIVEN=given\n\t" + strings.Join(lines, "\n\t") + "\n}\n"
}

func TestServes(t *testing.T) {
	for _, passed := range []bool{false, true} {
		v := connect(t, service(t, "relay_from = 127.0.0.0/8"), "EHLO\n", passed)
		// ls has one descriptor more, the directory; 2 is the log.
		if v.got != "127.0.0.1 127.0.0.1 relay= given EHLO\n0 1 2 3 " {
			t.Errorf("passed %t: got %q", passed, v.got)
		}
		if !strings.Contains(v.log, "test: 127.0.0.1:") || !strings.Contains(v.log, " allowed by default\n") {
			t.Errorf("log %q", v.log)
		}
	}
	if v := connect(t, service(t), "EHLO\n", false); !strings.Contains(v.got, "relay=unset") {
		t.Errorf("inherited: %q", v.got)
	}
}

func TestKeepsOut(t *testing.T) {
	for _, tt := range []struct {
		line, log string
		code      int
	}{
		{"no_access = 127.0.0.1", "denied by ", 0},
		{"libwrap = refused", "denied by ", 0},
		{"flags = IDONLY\n\tdecide_timeout = 1s", "denied by ", 0},
		{"access_times = " + laterToday(), "refused: not at this time of day", 0},
		{"nosuch = 1", "no such attribute", 1},
		{"rules = tcprules:/nonexistent", "not served", 1},
		{"proxy_protocol = 192.0.2.1", "not one of the proxies", 0},
	} {
		v := connect(t, service(t, tt.line), "EHLO\n", false)
		if v.got != "" || v.code != tt.code || !strings.Contains(v.log, tt.log) {
			t.Errorf("%s: got %+v", tt.line, v)
		}
	}
	if v := connect(t, service(t), "", false, "other"); v.got != "" || v.code != 1 || !strings.Contains(v.log, "no service has this id") {
		t.Errorf("got %+v", v)
	}
	if v := connect(t, service(t), "", false, "-nosuch"); v.got != "" || v.code != badUsage {
		t.Errorf("got %+v", v)
	}
}

// Who would be served by something else than a program for this connection is
// not served.
func TestOnlyDoorwardServes(t *testing.T) {
	plain := service(t)
	program := plain[strings.Index(plain, "\tserver ="):strings.Index(plain, "\tuser")]
	for what, config := range map[string]string{
		"wait = yes":      strings.Replace(plain, "wait = no", "wait = yes", 1),
		"redirect":        strings.Replace(plain, program, "\tredirect = 127.0.0.1 25\n", 1),
		"type = INTERNAL": strings.Replace(strings.Replace(plain, program, "\tflags = SENSOR\n", 1), "UNLISTED", "INTERNAL UNLISTED", 1),
	} {
		v := connect(t, config, "", false)
		if v.got != "" || v.code != 1 || !strings.HasSuffix(v.log, ": "+what+": only doorward serve has it\n") {
			t.Errorf("%s: got %+v", what, v)
		}
	}
}

// Limits that nobody keeps are told of where clients are let in past them.
func TestUncounted(t *testing.T) {
	for _, tt := range []struct {
		lines []string
		want  string
	}{
		{[]string{"instances = UNLIMITED", "cps = 0 10"}, " allowed by default\n"},
		{[]string{"instances = 60", "max_load = 1000"}, " allowed by default, without effect here: instances\n"},
		{[]string{"max_session = 1h", "rate = 1/s", "per_prefix = 2", "per_source = 1", "cps = 25 30"},
			" allowed by default, without effect here: cps, per_source, per_prefix, rate, max_session\n"},
	} {
		v := connect(t, service(t, tt.lines...), "", false)
		if !strings.HasPrefix(v.got, "127.0.0.1 ") || !strings.HasSuffix(v.log, tt.want) {
			t.Errorf("%q: got %+v", tt.lines, v)
		}
	}
}

func TestMaxLoad(t *testing.T) {
	if load, err := when.SystemLoad(); err != nil || load < 0.01 {
		t.Skip("needs a machine that does something")
	}
	v := connect(t, service(t, "max_load = 0.001"), "", false)
	if v.got != "" || v.code != 0 || !strings.Contains(v.log, "refused: the machine is too busy: load ") {
		t.Errorf("got %+v", v)
	}
}

// laterToday is an hour of the day that this one is not.
func laterToday() string {
	later := time.Now().Add(2 * time.Hour).Hour()
	return fmt.Sprintf("%d:00-%d:59", later, later)
}

// A client is sent the banners that doorward serve would send it.
func TestBanners(t *testing.T) {
	dir := t.TempDir()
	banners := []string{"banner = " + dir + "/hello", "banner_success = " + dir + "/welcome", "banner_fail = " + dir + "/sorry"}
	for _, name := range []string{"hello", "welcome", "sorry"} {
		write(t, dir+"/"+name, name+"\n")
	}
	for _, tt := range []struct{ line, got string }{
		{"", "hello\nwelcome\n127.0.0.1 "},
		{"no_access = 127.0.0.1", "hello\nsorry\n"},
		{"access_times = " + laterToday(), "hello\nsorry\n"},
	} {
		v := connect(t, service(t, append(banners, tt.line)...), "", false)
		if !strings.HasPrefix(v.got, tt.got) {
			t.Errorf("%s: got %+v", tt.line, v)
		}
	}
	if err := os.Remove(dir + "/hello"); err != nil {
		t.Fatal(err)
	}
	v := connect(t, service(t, banners...), "", false)
	if !strings.HasPrefix(v.got, "welcome\n127.0.0.1 ") || !strings.Contains(v.log, "hello not sent: no such file") {
		t.Errorf("got %+v", v)
	}
}

// A client that DNS lists speak against is refused in SMTP, one that may relay
// is not asked about, and nor is anybody kept out who is on no list.
func TestDNSLists(t *testing.T) {
	addr, err := listserver.Start(t, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	lines := []string{"proxy_protocol = 127.0.0.1", "dnsbl = zone.example", "dns = " + addr.String()}
	listed := "PROXY TCP4 127.0.0.3 198.51.100.1 40001 25\r\nQUIT\r\n"
	v := connect(t, service(t, lines...), listed, false)
	if !strings.HasPrefix(v.got, "220 ") || !strings.Contains(v.got, "\n221 ") || !strings.Contains(v.log, "127.0.0.3:40001 denied by ") {
		t.Errorf("listed: got %+v", v)
	}
	v = connect(t, service(t, append(lines, "relay_from = 127.0.0.3")...), listed, false)
	if !strings.HasPrefix(v.got, "127.0.0.3 198.51.100.1 relay= given QUIT") {
		t.Errorf("may relay: got %+v", v)
	}
	v = connect(t, service(t, lines...), strings.Replace(listed, "127.0.0.3", "127.0.0.7", 1), false)
	if !strings.HasPrefix(v.got, "127.0.0.7 ") {
		t.Errorf("not listed: got %+v", v)
	}
}

// The program reads the first byte behind the header, and believes it.
func TestProxyHeader(t *testing.T) {
	config := service(t, "proxy_protocol = 127.0.0.1", "relay_from = 127.0.0.1")
	v := connect(t, config, "PROXY TCP4 192.0.2.7 198.51.100.1 40001 25\r\nEHLO\n", false)
	if !strings.HasPrefix(v.got, "192.0.2.7 198.51.100.1 relay=unset given EHLO\n") || !strings.Contains(v.log, "192.0.2.7:40001 allowed") {
		t.Errorf("got %+v", v)
	}
	if v := connect(t, config, "EHLO\n", false); v.got != "" || !strings.Contains(v.log, "no PROXY header") {
		t.Errorf("got %+v", v)
	}
}

func TestNeedsAConnection(t *testing.T) {
	cmd := itself.Command(t, "test")
	out, _ := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "is not a connection") {
		t.Errorf("got %d, %s", cmd.ProcessState.ExitCode(), out)
	}
}

func TestLean(t *testing.T) { lean.Test(t) }
