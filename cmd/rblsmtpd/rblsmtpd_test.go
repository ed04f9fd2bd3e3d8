package main

import (
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// As a child with RBLSMTPD_TEST=1 the test binary is rblsmtpd.
func TestMain(m *testing.M) {
	if os.Getenv("RBLSMTPD_TEST") == "1" {
		os.Unsetenv("RBLSMTPD_TEST")
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A refused client on a socket is talked to until it quits, hangs up or has
// had its time, and each of these ends well.
func TestRefusedOnASocket(t *testing.T) {
	const hi, ok, no, bye = "220 rblsmtpd.local\r\n", "250 rblsmtpd.local\r\n", "553 go away\r\n", "221 rblsmtpd.local\r\n"
	tests := []struct {
		why     string
		timeout string
		client  func(net.Conn)
		want    string
		atLeast time.Duration
	}{
		{"a client that quits", "60", func(c net.Conn) { io.WriteString(c, "HELO x\r\nRCPT TO:<a>\r\nQUIT\r\n") }, hi + ok + no + bye, 0},
		{"a client that hangs up", "60", func(c net.Conn) { io.WriteString(c, "HELO x\r\n"); c.(*net.TCPConn).CloseWrite() }, hi + ok, 0},
		{"a client that is silent", "1", func(net.Conn) {}, hi, time.Second},
		{"a client that stops in a command", "1", func(c net.Conn) { io.WriteString(c, "HELO x\r\nRCPT") }, hi + ok, time.Second},
		{"no time at all", "0", func(net.Conn) {}, no, 0},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			t.Parallel()
			client, server := connection(t)
			var stderr bytes.Buffer
			cmd := command(t, server, &stderr, "RBLSMTPD=-go away", "-t", tt.timeout, "/nonexistent")
			start := time.Now()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			server.Close()
			tt.client(client)
			got, err := io.ReadAll(client)
			if string(got) != tt.want || err != nil {
				t.Errorf("client got %q, %v; want %q", got, err, tt.want)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("%v: %s", err, &stderr)
			}
			if took := time.Since(start); took < tt.atLeast || took > tt.atLeast+20*time.Second {
				t.Errorf("took %v", took)
			}
			if !strings.HasPrefix(stderr.String(), "rblsmtpd: 192.0.2.7 pid ") || !strings.HasSuffix(stderr.String(), ": 553 go away\n") {
				t.Errorf("log %q", stderr.String())
			}
		})
	}
}

// The mail server gets the connection as it was: blocking, nothing read.
func TestProgramGetsTheSocketUntouched(t *testing.T) {
	client, server := connection(t)
	var stderr bytes.Buffer
	cmd := command(t, server, &stderr, "RBLSMTPD=", "sh", "-c", `read line; echo "$line"; grep flags: /proc/self/fdinfo/0; echo "${RBLSMTPD-unset}"`)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	server.Close()
	io.WriteString(client, "hello\n")
	got, _ := io.ReadAll(client)
	cmd.Wait()
	if string(got) != "hello\nflags:\t02\n\n" { // O_RDWR alone
		t.Errorf("got %q, stderr %q", got, stderr.String())
	}
}

// connection returns the two ends of a TCP connection on loopback; the
// server's as a blocking descriptor.
func connection(t *testing.T) (client net.Conn, server *os.File) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	client.SetDeadline(time.Now().Add(time.Minute))
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	if server, err = accepted.(*net.TCPConn).File(); err != nil {
		t.Fatal(err)
	}
	server.Fd() // makes it blocking, as tcpserver hands it over
	return client, server
}

// command is rblsmtpd with a connection, for the client 192.0.2.7.
func command(t *testing.T, conn *os.File, stderr io.Writer, env string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = []string{"RBLSMTPD_TEST=1", "PATH=/bin:/usr/bin", "TCPREMOTEIP=192.0.2.7", env}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = conn, conn, stderr
	return cmd
}
