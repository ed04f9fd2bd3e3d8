package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// memory is a table of what each front end holds, fresh from its start: for
// nobody, and for each connection that is held. The daemons behind are not
// counted, nor is the kernel.
func (b *bench) memory(here []*peer) (table string, err error) {
	table = fmt.Sprintf("\nresident memory\n%12s  %12s\n", "for nobody", "a connection")
	for _, p := range here {
		if p.refuses {
			continue
		}
		idle := b.footprint(p.cmd.Process.Pid)
		held, err := b.hold(p.addr, p.cmd.Process.Pid)
		if err != nil {
			return "", err
		}
		table += fmt.Sprintf("%9.1f MB  %9.1f KB  %s\n", float64(idle)/1e6, float64(held)/1e3, p.name)
	}
	return table, nil
}

// idle measures the memory that there is a target for: of doorward with twenty
// services, of each of these, and of each connection.
func (b *bench) idle() error {
	one, _, err := b.serving(1)
	if err != nil {
		return err
	}
	twenty, held, err := b.serving(20)
	if err != nil {
		return err
	}
	fmt.Println()
	asked("doorward with 20 services, for nobody, MB", float64(twenty)/1e6, 15)
	fmt.Printf("%-48s %6.2f\n", "    each service more, KB", float64(twenty-one)/19e3)
	asked("each held connection, without its program, KB", float64(held)/1e3, 12)
	return nil
}

// serving returns what doorward with n services holds: for nobody, and for each
// connection.
func (b *bench) serving(n int) (idle, held int, err error) {
	p := &peer{name: fmt.Sprintf("doorward with %d services", n), command: func(b *bench, port string) []string {
		return []string{b.file("doorward"), "serve", "-config", b.write("several", services(port, n, b.file("daemon"))),
			"-hosts-allow", b.hosts("daemon", 10), "-hosts-deny", b.write("deny", "ALL: ALL\n")}
	}}
	defer p.stop()
	if err := p.start(b); err != nil {
		return 0, 0, err
	}
	idle = b.footprint(p.cmd.Process.Pid)
	held, err = b.hold(p.addr, p.cmd.Process.Pid)
	return idle, held, err
}

// heldAtOnce is enough to see what one costs, and as many as tcpserver lets in.
const heldAtOnce = 400

// hold returns what a held connection costs in resident memory.
func (b *bench) hold(addr string, pid int) (int, error) {
	before := b.footprint(pid)
	conns := make([]net.Conn, 0, heldAtOnce)
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for range heldAtOnce {
		c, err := net.DialTimeout("tcp", addr, patience)
		if err != nil {
			return 0, err
		}
		conns = append(conns, c)
		c.SetDeadline(time.Now().Add(patience))
		if err := greeted(c); err != nil {
			return 0, err
		}
	}
	return max(0, b.footprint(pid)-before) / heldAtOnce, nil
}

// footprint returns the resident memory in bytes of a process and those that it
// started, without the daemons.
func (b *bench) footprint(pid int) (size int) {
	if exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); exe != b.file("daemon") {
		size = resident(pid)
	}
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, t := range tasks {
		children, _ := os.ReadFile(t)
		for _, c := range strings.Fields(string(children)) {
			child, _ := strconv.Atoi(c)
			size += b.footprint(child)
		}
	}
	return size
}

// resident returns the resident memory of a process in bytes (proc_pid_status(5)).
func resident(pid int) int {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			return kb << 10
		}
	}
	return 0
}
