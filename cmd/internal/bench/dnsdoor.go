package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"doorward/launcher/dnslist"
)

// Ten thousand clients that never came before, 1000 at a time, five lists that
// each answer after 20 ms.
const (
	newClients   = 10_000
	atOnce       = 1000
	latency      = "20"
	nameserver   = "127.53.0.1" // rblsmtpd asks port 53 alone
	theRblsmtpd  = "/usr/bin/rblsmtpd"
	theTcpserver = "/usr/bin/tcpserver"
)

// A door is a way to have clients decided about.
type door struct {
	name   string
	listed bool // the last list has everybody

	serve func(b *bench, port string) ([]string, []string)
}

var doors = []door{
	{"tcpserver | rblsmtpd, let in", false, chain(false)},
	{"tcpserver | rblsmtpd, refused", true, chain(true)},
	{"tcpserver -c1000 | rblsmtpd, let in", false, chain(false, "-c1000")},
	{"tcpserver -c1000 | rblsmtpd, refused", true, chain(true, "-c1000")},
	{"doorward without lists, let in", false, withoutLists},
	{"doorward, let in", false, ours(false)},
	{"doorward, refused", true, ours(true)},
}

// chain is tcpserver with rblsmtpd behind it: by default 40 at once, each of
// which asks list after list.
func chain(listed bool, options ...string) func(*bench, string) ([]string, []string) {
	return func(b *bench, port string) ([]string, []string) {
		argv := append([]string{theTcpserver, "-H", "-R", "-l0", "-b4096"}, options...)
		argv = append(argv, "127.0.0.1", port, theRblsmtpd)
		for _, z := range zonesOf(listed) {
			argv = append(argv, "-r", z)
		}
		return append(argv, b.file("daemon")), append(os.Environ(), "DNSCACHEIP="+nameserver)
	}
}

// ours is doorward with the same lists: by default any number at once, each of
// which has all lists asked together.
func ours(listed bool) func(*bench, string) ([]string, []string) {
	return func(b *bench, port string) ([]string, []string) {
		conf := strings.ReplaceAll(services(port, 1, b.file("daemon")), "}\n",
			"\tdnsbl = "+strings.Join(zonesOf(listed), " ")+"\n\tdns = "+nameserver+"\n}\n")
		return b.serveAll(port, conf), os.Environ()
	}
}

// withoutLists shows what the connections and processes take by themselves.
func withoutLists(b *bench, port string) ([]string, []string) {
	return b.serveAll(port, services(port, 1, b.file("daemon"))), os.Environ()
}

func (b *bench) serveAll(port, conf string) []string {
	return []string{b.file("doorward"), "serve", "-config", b.write("dns."+port, conf),
		"-hosts-allow", b.write("allow.all", "daemon: ALL\n"), "-hosts-deny", b.write("deny", "ALL: ALL\n")}
}

// tenThousand has everybody decided about: by the engine alone, and at each
// door.
func (b *bench) tenThousand() error {
	for _, program := range []string{"cc", theTcpserver, theRblsmtpd} {
		if _, err := exec.LookPath(program); err != nil || !isRoot() {
			fmt.Printf("not measured for want of root or %s: 10,000 clients against five lists\n", program)
			return nil
		}
	}
	stop, err := b.listServer()
	if err != nil {
		return err
	}
	defer stop()
	fmt.Printf("%d different clients, %d at a time, 5 lists of %s ms each:\n", newClients, atOnce, latency)
	rates := map[string]float64{}
	for _, listed := range []bool{false, true} {
		name := map[bool]string{false: "doorward's engine alone, nobody listed", true: "doorward's engine alone, all listed"}[listed]
		rates[name] = engineRate(listed)
		fmt.Printf("  %-46s %8.0f clients/s\n", name, rates[name])
	}
	for _, d := range doors {
		rate, failed, err := b.visit(d)
		if err != nil {
			return err
		}
		rates[d.name] = rate
		fmt.Printf("  %-46s %8.0f clients/s, %d failed\n", d.name, rate, failed)
	}
	compareDoors(rates)
	return nil
}

// compareDoors prints the ratios. What counts is how fast clients are decided
// about; a program for each costs both sides the same, and more than the lists.
func compareDoors(rates map[string]float64) {
	in, out := rates["tcpserver | rblsmtpd, let in"], rates["tcpserver | rblsmtpd, refused"]
	ratio := func(what string, got float64) { target(what, got, "", ">= 20.00", got >= 20) }
	ratio("decided, engine against tcpserver | rblsmtpd", rates["doorward's engine alone, nobody listed"]/in)
	ratio("decided and refused, engine against the same", rates["doorward's engine alone, all listed"]/out)
	fmt.Println("for comparison, each with its connections; those let in with a process each, which the machine bounds:")
	line := func(what string, got float64) { fmt.Printf("%-48s %8.2f\n", what, got) }
	line("refused at the door", rates["doorward, refused"]/out)
	line("refused at the door, tcpserver with -c1000", rates["doorward, refused"]/rates["tcpserver -c1000 | rblsmtpd, refused"])
	line("let in, with lists against without", rates["doorward, let in"]/rates["doorward without lists, let in"])
	line("let in", rates["doorward, let in"]/in)
	line("let in, tcpserver with -c1000", rates["doorward, let in"]/rates["tcpserver -c1000 | rblsmtpd, let in"])
}

// listServer builds and starts the lists.
func (b *bench) listServer() (stop func(), err error) {
	if err := exec.Command("cc", "-O2", "-o", b.file("lists"), "cmd/internal/bench/c/lists.c").Run(); err != nil {
		return nil, fmt.Errorf("lists.c: %w", err)
	}
	c := exec.Command(b.file("lists"), nameserver, "53", latency)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		return nil, err
	}
	time.Sleep(200 * time.Millisecond)
	return func() { c.Process.Kill(); c.Wait() }, nil
}

// engineRate is how many clients the engine decides about in a second.
func engineRate(listed bool) float64 {
	servers := []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr(nameserver), 53)}
	l := policy(zonesOf(listed)...)
	find := dnslist.New(dnslist.Config{Lookup: dnslist.Stub(dnslist.Servers(servers), 3*time.Second)}).Finder(l)
	decided(find, l, clientAddr(1<<20)) // examined
	start := time.Now()
	refused := decideMany(find, l, 0, newClients, atOnce)
	took := time.Since(start)
	if want := map[bool]int64{true: newClients}[listed]; refused != want {
		fmt.Printf("  the engine refused %d clients, want %d\n", refused, want)
	}
	return newClients / took.Seconds()
}

// visit sends the clients to a door and returns how many were decided about in
// a second.
func (b *bench) visit(d door) (rate float64, failed int64, err error) {
	port, err := freePort()
	if err != nil {
		return 0, 0, err
	}
	argv, env := d.serve(b, port)
	c := exec.Command(argv[0], argv[1:]...)
	c.Env, c.SysProcAttr = env, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		return 0, 0, err
	}
	defer func() { c.Process.Kill(); c.Wait() }()
	addr := "127.0.0.1:" + port
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		err := newClient(addr, clientAddr(1<<20), d.listed)
		if err == nil {
			break
		}
		if time.Now().After(end) {
			return 0, 0, fmt.Errorf("%s: %w", d.name, err)
		}
	}
	var next, bad atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for range atOnce {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < newClients; i = next.Add(1) - 1 {
				if newClient(addr, clientAddr(int(i)), d.listed) != nil {
					bad.Add(1)
				}
			}
		})
	}
	wg.Wait()
	return newClients / time.Since(start).Seconds(), bad.Load(), nil
}

// newClient connects from an address of its own and hears the daemon's greeting,
// or the refusal at RCPT.
func newClient(addr string, from netip.Addr, listed bool) error {
	dial := net.Dialer{Timeout: patience, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
	c, err := dial.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if !listed {
		if err := greeted(c); err != nil {
			return err
		}
		io.WriteString(c, "QUIT\r\n")
		_, err := io.Copy(io.Discard, c)
		return err
	}
	r := bufio.NewReader(c)
	if _, err := r.ReadSlice('\n'); err != nil {
		return err
	}
	io.WriteString(c, "EHLO x.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nQUIT\r\n")
	said, err := io.ReadAll(r)
	if !bytes.Contains(said, []byte(" Listed\r\n")) {
		return fmt.Errorf("heard %.80q, %w", said, err)
	}
	return nil
}
