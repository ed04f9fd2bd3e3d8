package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// memory measures what doorward holds: with twenty services and nobody there,
// and for each connection that is held (without its program).
func (b *bench) memory() error {
	port, err := freePort()
	if err != nil {
		return err
	}
	c := exec.Command(b.file("doorward"), "serve", "-config", b.write("twenty", services(port, 20, b.file("daemon"))),
		"-hosts-allow", b.hosts("daemon", 10), "-hosts-deny", b.write("deny", "ALL: ALL\n"))
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		return err
	}
	defer func() { c.Process.Kill(); c.Wait() }()
	addr := "127.0.0.1:" + port
	for end := time.Now().Add(10 * time.Second); call(addr, false).err != nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("doorward with twenty services does not answer")
		}
	}
	idle := resident(c.Process.Pid)
	held, err := hold(addr, c.Process.Pid)
	if err != nil {
		return err
	}
	fmt.Printf("%-48s %6.1f MB  wanted <= 15\n", "idle, 20 services", float64(idle)/1e6)
	fmt.Printf("%-48s %6.1f KB  wanted <= 12\n", "each held connection, without its program", float64(held)/1e3)
	return nil
}

// heldAtOnce is enough to see what one costs.
const heldAtOnce = 400

// hold returns what a held connection costs in resident memory.
func hold(addr string, pid int) (int, error) {
	before := resident(pid)
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
	return (resident(pid) - before) / heldAtOnce, nil
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
