package main

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"doorward/acl"
	"doorward/acl/hosts"
)

// decide measures what deciding costs, and how long a table takes to read.
func (b *bench) decide() error {
	few, err := decision(b.hosts("daemon", 10))
	if err != nil {
		return err
	}
	many, err := decision(b.hosts("daemon", 10_000))
	if err != nil {
		return err
	}
	fmt.Printf("%-48s %6d ns  %d allocations\n", "deciding, 10 rules", few.NsPerOp(), few.AllocsPerOp())
	fmt.Printf("%-48s %6d ns  %d allocations, wanted <= 1000 and <= 3\n", "deciding, 10,000 rules", many.NsPerOp(), many.AllocsPerOp())
	fmt.Printf("%-48s %6.2f  wanted <= 5\n", "the second against the first", float64(many.NsPerOp())/float64(few.NsPerOp()))
	return b.parse()
}

// decision is a benchmark of the last rule of a table.
func decision(table string) (testing.BenchmarkResult, error) {
	src, err := os.ReadFile(table)
	if err != nil {
		return testing.BenchmarkResult{}, err
	}
	plain := strings.ReplaceAll(string(src), ": setenv RELAYCLIENT", "") // an address decides, and nothing else
	rules, err := hosts.Parse(table, plain, nil)
	if err != nil {
		return testing.BenchmarkResult{}, err
	}
	access := hosts.Access{Allow: rules}
	return testing.Benchmark(func(t *testing.B) {
		t.ReportAllocs()
		r := new(acl.Request)
		for t.Loop() {
			*r = acl.Request{Daemon: "daemon", Remote: netip.MustParseAddrPort("127.0.0.1:40001")}
			if d := access.Decide(r); d.Verdict != acl.Allow {
				t.Fatal(d)
			}
		}
	}), nil
}

// parse compares reading ten thousand rules with what tcpdmatch needs to
// answer one question about them, start included: the least of several turns.
func (b *bench) parse() error {
	table := b.hosts("daemon", 10_000)
	src, err := os.ReadFile(table)
	if err != nil {
		return err
	}
	if err := os.WriteFile(b.file("hosts.allow"), src, 0o644); err != nil {
		return err
	}
	_, missing := exec.LookPath("/usr/sbin/tcpdmatch")
	var ours, theirs []time.Duration
	for range 15 {
		start := time.Now()
		if _, err := hosts.Parse(table, string(src), nil); err != nil {
			return err
		}
		ours = append(ours, time.Since(start))
		if missing == nil {
			start = time.Now()
			c := exec.Command("/usr/sbin/tcpdmatch", "-d", "daemon", "192.0.2.1")
			c.Dir = b.dir
			if err := c.Run(); err != nil {
				return err
			}
			theirs = append(theirs, time.Since(start))
		}
	}
	fmt.Printf("%-48s %6.1f ms\n", "reading 10,000 rules", slices.Min(ours).Seconds()*1000)
	if missing == nil {
		fmt.Printf("%-48s %6.2f  wanted <= 1\n", "against tcpdmatch asked once about them", float64(slices.Min(ours))/float64(slices.Min(theirs)))
	}
	return nil
}
