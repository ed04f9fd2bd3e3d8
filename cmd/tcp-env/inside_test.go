package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"

	"doorward/cmd/internal/sandbox"
)

// insideVar is set, to the path of tcp-env, in the process that has a network
// and an /etc/resolv.conf of its own.
const insideVar = "TCP_ENV_TEST_INSIDE"

// Connections over real sockets, with DNS and ident servers on their usual
// ports: that takes namespaces, which not every machine gives to an ordinary
// user.
func TestConnections(t *testing.T) {
	path := tcpEnvPath(t)
	cmd := exec.Command(self(t), "-test.run=^TestInside$", "-test.v", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), insideVar+"="+path)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET,
		Pdeathsig:  syscall.SIGKILL,
	}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Skipf("needs root, or user namespaces: %v", err)
	}
	if strings.Contains(string(out), "--- SKIP: TestInside") {
		t.Skipf("needs namespaces:\n%s", out)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: TestInside") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestInside(t *testing.T) {
	if os.Getenv(insideVar) == "" {
		t.Skip("runs within TestConnections")
	}
	prepare(t)
	client, server := netip.MustParseAddr("127.0.0.7"), netip.MustParseAddr("127.0.0.9")
	six := netip.IPv6Loopback()
	const v4 = "PROTO=TCP TCPLOCALHOST=mail.server.example TCPLOCALIP=127.0.0.9 TCPLOCALPORT=25 "
	const v6 = "PROTO=TCP6 TCP6LOCALHOST=six.example TCP6LOCALIP=::1 TCP6LOCALPORT=25 TCP6REMOTEHOST=six.example TCP6REMOTEIP=::1 TCP6REMOTEPORT=40001 " +
		"TCPLOCALHOST=six.example TCPLOCALIP=::1 TCPLOCALPORT=25 TCPREMOTEHOST=six.example TCPREMOTEIP=::1 TCPREMOTEPORT=40001"
	tests := []struct {
		what           string
		network        string
		client, server netip.Addr
		args           []string
		want           string
	}{
		{"all there is to know", "tcp4", client, server, nil, v4 + "TCPREMOTEHOST=mx.example.com TCPREMOTEINFO=joe TCPREMOTEIP=127.0.0.7 TCPREMOTEPORT=40001"},
		{"no question to the client", "tcp4", client, server, []string{"-R"}, v4 + "TCPREMOTEHOST=mx.example.com TCPREMOTEIP=127.0.0.7 TCPREMOTEPORT=40001"},
		{"no time for an answer", "tcp4", client, server, []string{"-t0"}, v4 + "TCPREMOTEHOST=mx.example.com TCPREMOTEIP=127.0.0.7 TCPREMOTEPORT=40001"},
		{"no name", "tcp4", netip.MustParseAddr("127.0.0.8"), server, nil, v4 + "TCPREMOTEIP=127.0.0.8 TCPREMOTEPORT=40001"},
		{"a DNS server that fails", "tcp4", netip.MustParseAddr("127.0.0.6"), server, nil, v4 + "TCPREMOTEHOST=softdnserror TCPREMOTEIP=127.0.0.6 TCPREMOTEPORT=40001"},
		{"a name with odd bytes", "tcp4", netip.MustParseAddr("127.0.0.5"), server, nil, v4 + `TCPREMOTEHOST=a\;b\032\010c.example TCPREMOTEIP=127.0.0.5 TCPREMOTEPORT=40001`},
		{"IPv6", "tcp6", six, six, []string{"-R"}, v6},
		{"IPv4 through an IPv6 socket", "tcp", client, netip.IPv6Unspecified(), []string{"-R"}, v4 + "TCPREMOTEHOST=mx.example.com TCPREMOTEIP=127.0.0.7 TCPREMOTEPORT=40001"},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			f, c := connect(t, tt.network, tt.client, tt.server)
			env := []string{"PROTO=", "TCPREMOTEHOST=forged", "TCPREMOTEINFO=forged", "TCPLOCALHOST=forged", dumpVar + "=1"}
			got, status := tcpEnvRun(t, f, env, append(tt.args, self(t))...)
			got = strings.ReplaceAll(got+" ", "PORT="+port(c.LocalAddr())+" ", "PORT=40001 ")
			got = strings.TrimSpace(strings.ReplaceAll(got, "PORT="+port(c.RemoteAddr())+" ", "PORT=25 "))
			if got != tt.want || status != 0 {
				t.Errorf("status %d\ngot  %s\nwant %s", status, got, tt.want)
			}
		})
	}
	t.Run("the connection is handed on as it was", func(t *testing.T) { handsOn(t, client, server) })
}

func port(a net.Addr) string {
	_, port, _ := net.SplitHostPort(a.String())
	return port
}

// The program reads from a blocking socket what the client sends late.
func handsOn(t *testing.T, client, server netip.Addr) {
	f, c := connect(t, "tcp4", client, server)
	time.AfterFunc(300*time.Millisecond, func() { fmt.Fprint(c, "HELO\r\n") })
	got, status := tcpEnvRun(t, f, []string{dumpVar + "=read"}, "-R", self(t))
	if want := `nonblock=false input="HELO\r\n" <nil> <nil>`; got != want || status != 0 {
		t.Errorf("got %s, status %d", got, status)
	}
}

// prepare brings the loopback interface up, puts a resolv.conf of ours in
// place, and starts a DNS and an ident server.
func prepare(t *testing.T) {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(conf, []byte("nameserver 127.0.0.1\noptions timeout:2 attempts:1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Skip("mount: ", err)
	}
	if err := unix.Mount(conf, "/etc/resolv.conf", "", unix.MS_BIND, ""); err != nil {
		t.Skip("mount resolv.conf: ", err)
	}
	if err := sandbox.LoopbackUp(); err != nil {
		t.Skip("loopback: ", err)
	}
	dns, err := net.ListenPacket("udp", "127.0.0.1:53")
	if err != nil {
		t.Skip("DNS: ", err)
	}
	ident, err := net.Listen("tcp", "127.0.0.7:113")
	if err != nil {
		t.Skip("ident: ", err)
	}
	t.Cleanup(func() { dns.Close(); ident.Close() })
	go answerDNS(dns)
	go answerIdent(ident)
}

// answerDNS knows the names of a few loopback addresses.
func answerDNS(conn net.PacketConn) {
	names := map[string]string{
		"7.0.0.127.in-addr.arpa.": "MX.Example.COM.",
		"9.0.0.127.in-addr.arpa.": "mail.server.example.",
		"5.0.0.127.in-addr.arpa.": "a;b \nc.example.",
		"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa.": "six.example.",
	}
	buf := make([]byte, 2048)
	for {
		n, client, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		q := m.Questions[0]
		name, ok := names[q.Name.String()]
		m.Response, m.Additionals = true, nil
		switch {
		case ok && q.Type == dnsmessage.TypePTR:
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 60},
				Body:   &dnsmessage.PTRResource{PTR: dnsmessage.MustNewName(name)},
			}}
		case q.Name.String() == "6.0.0.127.in-addr.arpa.":
			m.RCode = dnsmessage.RCodeServerFailure
		default:
			m.RCode = dnsmessage.RCodeNameError
		}
		if reply, err := m.Pack(); err == nil {
			conn.WriteTo(reply, client)
		}
	}
}
