//go:build linux

package dnslist_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"doorward/acl"
	"doorward/acl/dnsbl"
	"doorward/launcher/dnslist"
)

// inside has the word "theirs" or "ours" in the environment of a test that
// runs in a network of its own.
const inside = "DOORWARD_DNSLIST_INSIDE"

// Clients, and the lists they are looked up in: the options of rblsmtpd and
// what they are called here.
var compared = []struct{ client, options, block, allow, why string }{
	{"192.0.2.7", "-b -r rbl.example", "rbl.example", "", "listed"},
	{"192.0.2.8", "-b -r rbl.example", "rbl.example", "", "not listed"},
	{"198.51.100.255", "-b -r rbl.example", "rbl.example", "", "listed with its network"},
	{"192.0.2.7", "-b -a white.example -r rbl.example", "rbl.example", "white.example", "let past"},
	{"192.0.2.9", "-b -a white.example -r rbl.example", "rbl.example", "white.example", "on neither"},
	{"192.0.2.10", "-b -r rbl.example -r other.example", "rbl.example other.example", "", "on the second"},
	{"192.0.2.7", "-b -r big.example", "big.example", "", "a reply that is truncated, and fetched over TCP"},
	{"192.0.2.7", "-r dead.example", "dead.example", "", "SERVFAIL"},
}

var zoneFiles = map[string]string{
	"rbl.example:ip4set":   ":127.0.0.2:Listed, see http://rbl.example/$\n192.0.2.7\n198.51.100.0/24\n127.0.0.2\n",
	"other.example:ip4set": ":127.0.0.2:Other: $\n192.0.2.10\n127.0.0.2\n",
	"white.example:ip4set": ":127.0.0.2:good\n192.0.2.7\n127.0.0.2\n",
}

// The same clients, the same lists behind the same resolver: what rblsmtpd
// refuses is refused here with the same words, and asked for under the same
// names. (Types differ by design: the address first, the text of a listing
// after it.) It takes a minute, most of which rblsmtpd and unbound spend on the
// list whose server is dead.
func TestCompareDNSList(t *testing.T) {
	switch who := os.Getenv(inside); who {
	case "theirs", "ours":
		behindResolver(t, who)
		return
	}
	if os.Getenv("DOORWARD_COMPARE") != "1" {
		t.Skip("needs DOORWARD_COMPARE=1")
	}
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	for _, program := range []string{"/usr/bin/rblsmtpd", "/usr/sbin/rbldnsd", "/usr/sbin/unbound"} {
		if _, err := os.Stat(program); err != nil {
			t.Skip("needs", program)
		}
	}
	theirs, ours := inNetwork(t, "theirs"), inNetwork(t, "ours")
	if len(theirs) != len(compared)+1 || len(ours) != len(compared)+1 {
		t.Fatalf("theirs %q\nours %q", theirs, ours)
	}
	for i, tt := range compared {
		if theirs[i] != ours[i] {
			t.Errorf("%s: %s %s\ntheirs: %s\nours:   %s", tt.why, tt.client, tt.options, theirs[i], ours[i])
		}
	}
	if i := len(compared); theirs[i] != ours[i] || theirs[i] == "" {
		t.Errorf("theirs asked %s\nours asked   %s", theirs[i], ours[i])
	}
}

// inNetwork runs this test in a network of its own and returns its results.
func inNetwork(t *testing.T, who string) (results []string) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestCompareDNSList$", "-test.timeout=100s")
	cmd.Env = append(os.Environ(), inside+"="+who)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", who, err, out)
	}
	for line := range strings.Lines(string(out)) {
		if r, ok := strings.CutPrefix(line, "result: "); ok {
			results = append(results, strings.TrimSpace(r))
		}
	}
	return results
}

// behindResolver prints one result for each client.
func behindResolver(t *testing.T, who string) {
	log := startServers(t)
	e := dnslist.New(dnslist.Config{Lookup: dnslist.Stub(dnslist.Servers([]netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:53")}), 3*time.Second)})
	if who == "ours" {
		var all []*dnsbl.Lists
		for _, tt := range compared {
			all = append(all, lists(t, tt.block, tt.allow))
		}
		e.Use(all...)
		go e.Run(t.Context())
	}
	for _, tt := range compared {
		said := ""
		if who == "ours" {
			said = ourVerdict(e, lists(t, tt.block, tt.allow), tt.client)
		} else {
			said = theirVerdict(t, tt.client, tt.options)
		}
		fmt.Printf("result: %s\n", said)
	}
	fmt.Printf("result: %s\n", strings.Join(namesAsked(t, log), " "))
}

func ourVerdict(e *dnslist.Engine, l *dnsbl.Lists, client string) string {
	r := &acl.Request{Remote: netip.AddrPortFrom(netip.MustParseAddr(client), 1)}
	e.Attach(context.Background(), r, l)
	d := l.Decide(r)
	if d.Verdict != acl.Deny {
		return "passed"
	}
	code := "553 "
	if d.Reply.Temporary {
		code = "451 "
	}
	return code + dnsbl.Printable(d.Reply.Text, dnsbl.MaxRblsmtpd)
}

func theirVerdict(t *testing.T, client, options string) string {
	cmd := exec.Command("/usr/bin/rblsmtpd", append(append([]string{"-t0"}, strings.Fields(options)...), "/bin/echo", "passed")...)
	cmd.Env = []string{"DNSCACHEIP=127.0.0.1", "TCPREMOTEIP=" + client}
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil {
		t.Error(err)
	}
	return strings.TrimSpace(out.String())
}

// startServers starts rbldnsd on port 5353 and unbound on 53 in front of it,
// until the test ends. It returns the file of the questions to rbldnsd.
func startServers(t *testing.T) (log string) {
	t.Helper()
	if err := loopbackUp(); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "dnslist") // rbldnsd gives root up, and has to read there
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o777)
	log = filepath.Join(dir, "log")
	args := []string{"-n", "-f", "-q", "-l", "+" + log, "-b", "127.0.0.1/5353"}
	conf := "server:\n directory: " + dir + "\n username: \"\"\n chroot: \"\"\n pidfile: " + dir + "/pid\n" +
		" interface: 127.0.0.1\n do-ip6: no\n do-not-query-localhost: no\n use-syslog: no\n do-daemonize: no\n" +
		" module-config: iterator\n qname-minimisation: no\n num-threads: 1\n" +
		" local-zone: big.example. static\n local-data: \"2.0.0.127.big.example. A 127.0.0.2\"\n local-data: \"7.2.0.192.big.example. A 127.0.0.2\"\n"
	for i := range 8 { // more than fits in 1232 bytes
		conf += fmt.Sprintf(" local-data: '7.2.0.192.big.example. TXT \"%s%d\"'\n", strings.Repeat("x", 220), i)
	}
	for zone, text := range zoneFiles {
		file := filepath.Join(dir, strings.ReplaceAll(zone, ":", "_"))
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, zone+":"+file)
		name, _, _ := strings.Cut(zone, ":")
		conf += "stub-zone:\n name: " + name + "\n stub-addr: 127.0.0.1@5353\n"
	}
	conf += "stub-zone:\n name: dead.example\n stub-addr: 127.0.0.1@5399\n"
	if err := os.WriteFile(filepath.Join(dir, "conf"), []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	startProgram(t, "127.0.0.1:5353", "/usr/sbin/rbldnsd", args...)
	startProgram(t, "127.0.0.1:53", "/usr/sbin/unbound", "-d", "-c", filepath.Join(dir, "conf"))
	return log
}

// startProgram returns when the program has bound its port.
func startProgram(t *testing.T, addr, path string, args ...string) {
	t.Helper()
	cmd := exec.Command(path, args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for range 200 {
		c, err := net.ListenPacket("udp", addr)
		if err != nil {
			return
		}
		c.Close()
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal(path, "is not ready after 4 s")
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ifreq, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifreq.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifreq)
}

// namesAsked returns the names of clients that rbldnsd was asked for, each
// once.
func namesAsked(t *testing.T, log string) (names []string) {
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line) // time, client, name, type ...
		if len(f) > 3 && (strings.Contains(f[2], ".192.") || strings.Contains(f[2], ".198.")) {
			names = append(names, f[2])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
