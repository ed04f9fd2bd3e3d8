package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"doorward/acl"
	"doorward/launcher/rules/book"
)

// million is a pattern file of a million prefixes, and the rules around it.
type million struct {
	file        string // a directory of its own: doorward watches it
	text        string
	allow, deny string
}

func (b *bench) newMillion() (*million, error) {
	dir := b.file("million.d")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	m := &million{file: filepath.Join(dir, "million"), text: prefixes(1_000_000)}
	m.deny = b.write("million.d/deny", "ALL: ALL\n")
	m.allow = b.write("million.d/allow", "daemon: "+m.file+"\ndaemon: "+client.String()+"\n")
	return m, m.replace("")
}

// replace writes the file anew with a line more.
func (m *million) replace(last string) error {
	if err := os.WriteFile(m.file+".new", []byte(m.text+last+"\n"), 0o644); err != nil {
		return err
	}
	return os.Rename(m.file+".new", m.file)
}

// Two clients: one that the rules let in, and one that comes in once the last
// line of the pattern file says so, and so tells when that has been read.
var (
	client = netip.MustParseAddr("127.0.0.1")
	probe  = netip.MustParseAddr("127.0.0.2")
)

// reload measures how long a million prefixes take from text to the first
// decision, what they hold, and what clients notice of it while doorward
// serves them.
func (b *bench) reload() error {
	m, err := b.newMillion()
	if err != nil {
		return err
	}
	if err := m.load(); err != nil {
		return err
	}
	return b.serveAndReload(m)
}

// turns is how often what takes a while is done.
const turns = 5

// load reads the file as doorward does when it starts.
func (m *million) load() error {
	var wall, cpu []time.Duration
	var heap uint64
	for range turns {
		before := liveHeap()
		busy, start := ownTime(), time.Now()
		rules := &book.Book{HostsAllow: m.allow, HostsDeny: m.deny}
		policy, err := rules.Policy("hosts")
		if err != nil {
			return err
		}
		wall, cpu = append(wall, time.Since(start)), append(cpu, ownTime()-busy)
		r := &acl.Request{Daemon: "daemon", Remote: netip.AddrPortFrom(client, 40001)}
		if d := policy.Decide(r); d.Verdict != acl.Allow {
			return fmt.Errorf("a client that the rules let in: %+v", d)
		}
		heap = liveHeap() - before
		runtime.KeepAlive(policy)
	}
	asked("loading 1,000,000 prefixes from text, s", slices.Min(wall).Seconds(), 1.0)
	fmt.Printf("%-48s %6.2f\n", "    the same, user and system time of all cores, s", slices.Min(cpu).Seconds())
	asked("live heap of them, MB", float64(heap)/1e6, 300)
	return nil
}

// asked prints a measure that is to be no more than a bound.
func asked(what string, got, most float64) {
	verdict := "met"
	if got > most {
		verdict = "MISSED"
	}
	fmt.Printf("%-48s %6.2f  wanted <= %.2f  %s\n", what, got, most, verdict)
}

func liveHeap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// ownTime is how long the processors have worked for this process.
func ownTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// serveAndReload has doorward read the file again and again while clients come
// at a steady rate.
func (b *bench) serveAndReload(m *million) error {
	p := &peer{name: "doorward that reloads", command: func(b *bench, port string) []string {
		return []string{b.file("doorward"), "serve", "-config", b.write("million.conf", services(port, 1, b.file("daemon"))),
			"-hosts-allow", m.allow, "-hosts-deny", m.deny}
	}}
	defer p.stop()
	if err := p.start(b); err != nil {
		return err
	}
	quiet := steady(p.addr, func() { time.Sleep(3 * time.Second) })
	var during []visit
	var took []time.Duration
	for range turns {
		if err := m.settle(p.addr, "", false); err != nil {
			return err
		}
		var err error
		during = append(during, steady(p.addr, func() {
			start := time.Now()
			err = m.settle(p.addr, probe.String(), true)
			took = append(took, time.Since(start))
			time.Sleep(afterwards)
		})...)
		if err != nil {
			return err
		}
	}
	return reportReload(summary(quiet, time.Second, 0), summary(during, time.Second, 0), slices.Min(took))
}

// afterwards is for how long clients come after a reload, when the garbage
// collector may look for the old rules.
const afterwards = 700 * time.Millisecond

func reportReload(quiet, during run, took time.Duration) error {
	fmt.Printf("%-48s %6.2f\n", "reloading them, from change to effect, s", took.Seconds())
	ms := func(d time.Duration) float64 { return d.Seconds() * 1000 }
	fmt.Printf("%-48s %6.2f  p50 %.2f\n", "p99 to the first byte, 200 clients/s, ms", ms(quiet.first.p99), ms(quiet.first.p50))
	asked("the same while they are loaded", ms(during.first.p99), 10)
	fmt.Printf("%-48s %6.2f\n", "    p50", ms(during.first.p50))
	if n := quiet.failed + during.failed; n > 0 {
		return fmt.Errorf("%d clients were not served", n)
	}
	return nil
}

// settle changes the last line of the file and waits until the probe is let in
// or kept out, which is what the line says.
func (m *million) settle(addr, last string, in bool) error {
	if err := m.replace(last); err != nil {
		return err
	}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if letIn(addr) == in {
			return nil
		}
	}
	return fmt.Errorf("%s: the change has no effect", m.file)
}

// letIn reports whether the probe is greeted.
func letIn(addr string) bool {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: probe.AsSlice()}, Timeout: patience}
	c, err := d.DialContext(context.Background(), "tcp", addr)
	if err != nil {
		return false
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	return greeted(c) == nil
}

// every is the time between clients: 200 a second, whether the ones before them
// have been served or not.
const every = 5 * time.Millisecond

// steady has clients come while what runs.
func steady(addr string, what func()) []visit {
	done := make(chan struct{})
	go func() { defer close(done); what() }()
	var mu sync.Mutex
	var visits []visit
	var clients sync.WaitGroup
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-done:
			clients.Wait()
			return visits
		case <-tick.C:
		}
		clients.Go(func() {
			v := call(addr, false)
			mu.Lock()
			defer mu.Unlock()
			visits = append(visits, v)
		})
	}
}
