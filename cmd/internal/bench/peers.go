package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A peer is a front end with the daemon behind it.
type peer struct {
	name    string
	needs   []string // programs that must be there
	refuses bool     // its clients expect to be kept out
	command func(b *bench, port string) []string

	addr string
	cmd  *exec.Cmd
}

// What is measured. The rules have the one that matches last.
var peers = []*peer{
	{name: "limit in C: accept, vfork, exec", needs: []string{"cc"}, command: func(b *bench, port string) []string {
		return []string{b.file("limit"), port, b.file("daemon")}
	}},
	{name: "limit in C, all that doorward asks for", needs: []string{"cc"}, command: func(b *bench, port string) []string {
		return []string{b.file("limit"), port, b.file("daemon"), "all"}
	}},
	{name: "limit in C: accept, close", needs: []string{"cc"}, refuses: true, command: func(b *bench, port string) []string {
		return []string{b.file("limit"), port}
	}},
	{name: "doorward, 10 rules", command: func(b *bench, port string) []string { return b.doorward(port, 10) }},
	{name: "doorward, 10,000 rules", command: func(b *bench, port string) []string { return b.doorward(port, 10_000) }},
	{name: "doorward, 1,000,000 prefixes", command: func(b *bench, port string) []string { return b.doorward(port, 1_000_000) }},
	{name: "doorward, refusing", refuses: true, command: func(b *bench, port string) []string { return b.doorward(port, 0) }},
	{name: "tcpserver of ours, 10 cdb rules", command: func(b *bench, port string) []string {
		return b.tcpserver(b.file("tcpserver"), port)
	}},
	{name: "tcpserver in C, 10 cdb rules", needs: []string{"/usr/bin/tcpserver"}, command: func(b *bench, port string) []string {
		return b.tcpserver("/usr/bin/tcpserver", port)
	}},
	{name: "xinetd, tcpd of ours, tcp-env", needs: []string{"/usr/sbin/xinetd"}, command: func(b *bench, port string) []string {
		return b.xinetd(port, b.file("tcpd"))
	}},
	{name: "xinetd, tcpd in C, tcp-env", needs: []string{"/usr/sbin/xinetd", "/usr/sbin/tcpd"}, command: func(b *bench, port string) []string {
		return b.xinetd(port, "/usr/sbin/tcpd")
	}},
}

// missing returns the first program that a peer needs and that is not here.
func (p *peer) missing() string {
	for _, n := range p.needs {
		if _, err := exec.LookPath(n); err != nil {
			return n
		}
	}
	if strings.HasPrefix(p.name, "xinetd") && os.Getuid() != 0 {
		return "root"
	}
	return ""
}

// start starts a peer and waits until it answers.
func (p *peer) start(b *bench) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	p.addr = "127.0.0.1:" + port
	argv := p.command(b, port)
	p.cmd = exec.Command(argv[0], argv[1:]...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	// Not beside the rules, whose directory doorward watches.
	if err := os.MkdirAll(b.file("log"), 0o755); err != nil {
		return err
	}
	log, err := os.Create(b.file("log/" + port))
	if err != nil {
		return err
	}
	defer log.Close()
	p.cmd.Stderr = log
	if err := p.cmd.Start(); err != nil {
		return err
	}
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if v := call(p.addr, p.refuses); v.err == nil {
			return nil
		}
	}
	text, _ := os.ReadFile(log.Name())
	return fmt.Errorf("%s does not answer: %s", p.name, text)
}

func (p *peer) stop() {
	if p.cmd != nil && p.cmd.Process != nil {
		p.cmd.Process.Kill()
		p.cmd.Wait()
	}
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), nil
}

// A bench is a directory with everything the peers need.
type bench struct{ dir string }

func (b *bench) file(name string) string { return filepath.Join(b.dir, name) }

func (b *bench) write(name, text string) string {
	if err := os.WriteFile(b.file(name), []byte(text), 0o644); err != nil {
		panic(err) // a temporary directory that cannot be written to
	}
	return b.file(name)
}

// doorward serves the daemon under n rules of hosts.allow, of which the last
// lets everybody from here in; with 0, nobody gets in. A million prefixes are
// one rule with a pattern file.
func (b *bench) doorward(port string, n int) []string {
	allow, deny := b.hosts("daemon", n), b.write("deny", "ALL: ALL\n")
	return []string{b.file("doorward"), "serve", "-config", b.write("conf."+port, services(port, 1, b.file("daemon"))),
		"-hosts-allow", allow, "-hosts-deny", deny}
}

func services(port string, n int, daemon string) string {
	first, _ := strconv.Atoi(port)
	user := ""
	if os.Getuid() == 0 {
		user = "\tuser = root\n"
	}
	var s strings.Builder
	for i := range n {
		fmt.Fprintf(&s, "service bench%d\n{\n\ttype = UNLISTED\n\tsocket_type = stream\n\tprotocol = tcp\n\twait = no\n"+
			"\tbind = 127.0.0.1\n\tport = %d\n\tserver = %s\n%s}\n", i, first+i, daemon, user)
	}
	return s.String()
}

func (b *bench) hosts(daemon string, n int) string {
	var s strings.Builder
	switch {
	case n == 0:
		return b.write("allow.0", "")
	case n == 1_000_000:
		fmt.Fprintf(&s, "%s: %s: setenv SET many\n", daemon, b.write("million", prefixes(n)))
		n = 10
	}
	for i := range n - 1 {
		fmt.Fprintf(&s, "%s: 10.%d.%d.: setenv RULE %d\n", daemon, i>>8, i&255, i)
	}
	s.WriteString(daemon + ": 127.: setenv RELAYCLIENT\n")
	return b.write(fmt.Sprintf("allow.%s.%d", daemon, s.Len()), s.String())
}

// prefixes returns n different prefixes that nobody here comes from: two
// thirds addresses, the others networks of 24 bits and of IPv6.
func prefixes(n int) string {
	var s strings.Builder
	for i := range n {
		switch i % 6 {
		case 0:
			fmt.Fprintf(&s, "%d.%d.%d.0/24\n", 11+i>>16, i>>8&255, i&255)
		case 1:
			fmt.Fprintf(&s, "[2001:%x:%x::]/48\n", 0xdb8+i>>16, i&0xffff)
		default:
			fmt.Fprintf(&s, "%d.%d.%d.%d\n", 130+i>>16%60, i>>8&255, i&255, i*7&255)
		}
	}
	return s.String()
}

func (b *bench) tcpserver(program, port string) []string {
	return []string{program, "-H", "-R", "-l0", "-c400", "-b4096", "-x", b.file("rules.cdb"), "127.0.0.1", port, b.file("daemon")}
}

// xinetd is the classic set-up: a process for the rules, one for the
// environment, then the daemon. tcpd reads /etc/hosts.allow, so that ten rules
// are put there in a mount namespace, which takes root; and a DNS server that
// is not there, so that tcp-env does not wait for one.
func (b *bench) xinetd(port, tcpd string) []string {
	conf := fmt.Sprintf("defaults\n{\n\tinstances = UNLIMITED\n\tcps = 0 1\n}\nservice bench\n{\n\ttype = UNLISTED\n\tsocket_type = stream\n"+
		"\tprotocol = tcp\n\twait = no\n\tuser = root\n\tbind = 127.0.0.1\n\tport = %s\n\tflags = NAMEINARGS NOLIBWRAP\n\tserver = %s\n"+
		"\tserver_args = %s %s\n}\n", port, tcpd, b.file("tcp-env"), b.file("daemon"))
	return []string{"unshare", "-m", "sh", "-c", `mount --bind "$1" /etc/hosts.allow && mount --bind "$2" /etc/hosts.deny && mount --bind "$3" /etc/resolv.conf && shift 3 && exec "$@"`,
		"sh", b.hosts("tcp-env", 10), b.write("deny", "ALL: ALL\n"), b.write("resolv", "nameserver 127.0.0.1\n"),
		"/usr/sbin/xinetd", "-dontfork", "-f", b.write("xinetd."+port, conf), "-pidfile", b.file("pid." + port)}
}
