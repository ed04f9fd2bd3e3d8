package main

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"doorward/cmd/internal/listserver"
)

// listed starts a DNS list and returns its port.
func listed(t *testing.T) (port string) {
	t.Helper()
	addr, err := listserver.Start(t, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ = net.SplitHostPort(addr.String())
	return port
}

// A listed client is refused in SMTP, without a process; one that may relay is
// not asked about, and one that is not listed is served.
func TestDNSLists(t *testing.T) {
	config := dumper("test", "relay_from = 127.0.0.2", "dnsbl = zone.example", "dns = 127.0.0.1:"+listed(t))
	s, port := start(t, config, nil)
	for _, from := range []string{"127.0.0.1", "127.0.0.2"} {
		if got := mustDial(t, from, "127.0.0.1:"+port); !strings.Contains(got, "== end") {
			t.Errorf("%s is not served: %q", from, got)
		}
	}
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 3)}}
	c, err := d.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	r := bufio.NewReader(c)
	for _, step := range []struct{ say, want string }{
		{"", "220 "}, {"EHLO me.example", "250 "}, {"MAIL FROM:<a@b.example>", "250 "},
		{"RCPT TO:<c@d.example>", "553 no mail from you"}, {"QUIT", "221 "},
	} {
		if step.say != "" {
			fmt.Fprintf(c, "%s\r\n", step.say)
		}
		if line, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(line, step.want) {
			t.Fatalf("%s: got %q, %v; want %s", step.say, line, err, step.want)
		}
	}
	s.waitFor(`test: 127\.0\.0\.3:\d+ denied by .*c@d\.example`)
}

// tag leaves it to the daemon.
func TestDNSListsTag(t *testing.T) {
	_, port := start(t, dumper("test", "dnsbl = zone.example", "dnsbl_action = tag", "dns = 127.0.0.1:"+listed(t)), nil)
	env := sections(mustDial(t, "127.0.0.3", "127.0.0.1:"+port))["env"]
	if got := value(env, "RBLSMTPD"); got != "-no mail from you" {
		t.Errorf("RBLSMTPD=%q in %q", got, env)
	}
}
