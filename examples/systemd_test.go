package examples_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var units = []string{"systemd/smtp.socket", "systemd/doorward.service", "systemd/accept/smtp.socket", "systemd/accept/smtp@.service"}

// systemd-analyze has nothing to say about the units.
func TestUnitsVerify(t *testing.T) {
	needs(t, "systemd-analyze")
	for _, u := range units {
		dir := t.TempDir()
		// The programs need not be installed to read the units.
		fix := strings.NewReplacer("/usr/local/bin/doorward", "/bin/true", "/usr/local/sbin/tcpd", "/bin/true")
		others, _ := filepath.Glob(filepath.Join(files, filepath.Dir(u), "*.s*e*"))
		for _, o := range others {
			text, err := os.ReadFile(o)
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, filepath.Base(o)), fix.Replace(string(text)), 0o644)
		}
		out, err := exec.Command("systemd-analyze", "verify", "--man=no", filepath.Join(dir, filepath.Base(u))).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", u, err, out)
		}
	}
}

// How exposed the services are, by systemd's own count from 0 to 10, times 10:
// 96 is a unit that says nothing.
func TestUnitsSecurity(t *testing.T) {
	needs(t, "systemd-analyze")
	for u, most := range map[string]string{"doorward.service": "24", "accept/smtp@.service": "12"} {
		out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--threshold="+most,
			filepath.Join(files, "systemd", u)).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", u, err, out)
		}
	}
}

// needsSandbox skips the test if there is no script to boot a systemd with.
func needsSandbox(t *testing.T) {
	t.Helper()
	if os.Getenv(envInside) == "" && os.Getenv("DOORWARD_SANDBOX") == "" {
		t.Skip("needs DOORWARD_SANDBOX, the path of systemd-sandbox.sh")
	}
	needsRoot(t)
}

// inSystemd runs the calling test on a systemd of its own, and returns true
// there: everything may be changed, nothing of it stays. Outside it returns
// false, when the test inside is over.
func inSystemd(t *testing.T) bool {
	t.Helper()
	if os.Getenv(envInside) == t.Name() {
		return true
	}
	// The sandbox's /tmp is its own.
	t.Setenv("SBX_BIND", strings.Join([]string{bin, files, filepath.Dir(self(t))}, " "))
	t.Setenv("SBX_DIR", filepath.Join(t.TempDir(), "sandbox"))
	again(t, os.Getenv("DOORWARD_SANDBOX"), "run")
	return false
}

const smtpV4, smtpV6 = "127.0.0.1:25", "[::1]:25"

// dialogues are the same for both ways: this machine may relay, others may not.
func dialogues(t *testing.T) {
	t.Helper()
	must(t, "ip", "address", "add", "192.0.2.7/32", "dev", "lo")
	must(t, "ip", "address", "add", "2001:db8::7/128", "dev", "lo", "nodad")
	tryAll(t, []try{
		{"127.0.0.1", smtpV4, "x@elsewhere.example", "250"},
		{"::1", smtpV6, "x@elsewhere.example", "250"},
		{"192.0.2.7", smtpV4, "x@elsewhere.example", "553"},
		{"192.0.2.7", smtpV4, "x@example.net", "250"},
		{"2001:db8::7", smtpV6, "x@elsewhere.example", "553"},
		{"2001:db8::7", smtpV6, "x@example.net", "250"},
	})
	send(t, "::1", smtpV6, "x@elsewhere.example", "Subject: over IPv6")
	send(t, "192.0.2.7", smtpV4, "x@example.net", "Subject: over IPv4")
	got := strings.Join(texts(t, "/var/spool/smtpd/Maildir/new/*"), "\n")
	for _, want := range []string{"(::1)", "(192.0.2.7)"} {
		if !strings.Contains(got, want) {
			t.Errorf("no mail from %s in\n%s", want, got)
		}
	}
}

// journal shows what systemd and the services wrote, if the test fails.
func journal(t *testing.T) {
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := exec.Command("journalctl", "--no-pager", "-n", "200").CombinedOutput()
			t.Logf("journal:\n%s", out)
		}
	})
}

// systemd/smtp.socket and doorward.service: Accept=no.
func TestSystemd(t *testing.T) {
	needsSandbox(t)
	build(t, "cmd/doorward", "examples/smtpd")
	if !inSystemd(t) {
		return
	}
	journal(t)
	readme(t, "systemd", "install ../../bin/doorward")
	dialogues(t)
	if state := must(t, "systemctl", "show", "-P", "ActiveState", "doorward.service"); strings.TrimSpace(state) != "active" {
		t.Errorf("doorward.service is %s", state)
	}
	must(t, "systemctl", "reload", "doorward.service")
	restartUnderLoad(t)
}

// restartUnderLoad restarts doorward while clients come and go: each of them is
// served, some a little later.
func restartUnderLoad(t *testing.T) {
	t.Helper()
	var stop atomic.Bool
	var served atomic.Int64
	var lost sync.Map
	var clients sync.WaitGroup
	for _, to := range []string{smtpV4, smtpV6, smtpV4, smtpV6} {
		clients.Go(func() {
			for !stop.Load() {
				if err := session(to); err != nil {
					lost.Store(fmt.Sprintf("%s: %v", to, err), true)
					continue
				}
				served.Add(1)
			}
		})
	}
	before := served.Load()
	for range 5 {
		must(t, "systemctl", "restart", "doorward.service")
		time.Sleep(200 * time.Millisecond)
	}
	stop.Store(true)
	clients.Wait()
	lost.Range(func(what, _ any) bool { t.Errorf("lost: %v", what); return true })
	if n := served.Load() - before; n < 50 {
		t.Errorf("%d sessions served, too few to mean anything", n)
	} else {
		t.Logf("%d sessions during 5 restarts", n)
	}
}

// session greets the daemon and leaves.
func session(to string) error {
	conn, err := net.Dial("tcp", to)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprint(conn, "QUIT\r\n")
	var reply [512]byte
	n, err := conn.Read(reply[:])
	if err != nil || !strings.HasPrefix(string(reply[:n]), "220 ") {
		return fmt.Errorf("got %q, %v", reply[:n], err)
	}
	return nil
}

// systemd/accept: Accept=yes, tcpd and tcp-env in front of the daemon.
func TestSystemdAccept(t *testing.T) {
	needsSandbox(t)
	build(t, "cmd/tcpd", "cmd/tcp-env", "examples/smtpd")
	if !inSystemd(t) {
		return
	}
	journal(t)
	write(t, "/etc/hosts.deny", "", 0o644)
	readme(t, "systemd", "install ../../bin/tcp-env")
	dialogues(t)
	if state := must(t, "systemctl", "show", "-P", "ActiveState", "smtp.socket"); strings.TrimSpace(state) != "active" {
		t.Errorf("smtp.socket is %s", state)
	}
}
