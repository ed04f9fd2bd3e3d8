// Command bench compares doorward with what it replaces and with what the
// machine can do, in one run. "make bench" runs it.
//
// Every front end has the same daemon behind it, the least there can be, and
// gets the same load from this process. Rounds are interleaved (A B C A B C),
// so that whatever else the machine does meets all of them; the medians of
// the rounds are printed, and then the ratios that matter. Times on a machine
// that is shared mean little; ratios of one run mean more.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"text/tabwriter"
	"time"
)

func main() {
	rounds := flag.Int("rounds", 5, "how often each front end is measured")
	length := flag.Duration("length", time.Second, "how long one measurement takes")
	lists := flag.Bool("lists", false, "measure DNS lists alone")
	only := flag.String("only", "", "measure the front ends whose names match this `expression`, and nothing else")
	flag.Parse()
	match, err := regexp.Compile(*only)
	if err == nil {
		err = benchmark(*rounds, *length, match, *lists)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func benchmark(rounds int, length time.Duration, only *regexp.Regexp, lists bool) error {
	dir, err := os.MkdirTemp("", "doorward-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{dir}
	if err := b.build(); err != nil {
		return err
	}
	if lists {
		return b.dnsLists()
	}
	here := b.start(only)
	defer func() {
		for _, p := range here {
			p.stop()
		}
	}()
	if len(here) == 0 {
		return fmt.Errorf("no front end could be started")
	}
	held, err := b.memory(here)
	if err != nil {
		return err
	}
	results, err := measure(here, rounds, length)
	if err != nil {
		return err
	}
	print(here, results)
	fmt.Print(held)
	ratios(results)
	if only.String() != "" {
		return nil
	}
	if err := b.idle(); err != nil {
		return err
	}
	if err := b.reload(); err != nil {
		return err
	}
	if err := b.decide(); err != nil {
		return err
	}
	return b.dnsLists()
}

// concurrency are the numbers of clients at once.
var concurrency = []int{1, 8, 64}

// A key is one row of the table.
type key struct {
	peer string
	c    int
}

func measure(peers []*peer, rounds int, length time.Duration) (map[key]run, error) {
	all := map[key][]run{}
	for round := range rounds {
		for _, c := range concurrency {
			for _, p := range peers {
				fmt.Fprintf(os.Stderr, "\rround %d of %d, %2d at once: %-40s", round+1, rounds, c, p.name)
				k := key{p.name, c}
				r, err := load(p.addr, c, length, p.refuses)
				if err != nil {
					return nil, err
				}
				all[k] = append(all[k], r)
			}
		}
	}
	fmt.Fprintf(os.Stderr, "\r%80s\r", "")
	medians := map[key]run{}
	for k, runs := range all {
		medians[k] = median(runs)
	}
	return medians, nil
}

// median returns the run with the median rate; failures add up.
func median(runs []run) run {
	failed := 0
	for _, r := range runs {
		failed += r.failed
	}
	slices.SortFunc(runs, func(a, b run) int { return cmp.Compare(a.perSecond, b.perSecond) })
	r := runs[len(runs)/2]
	r.failed = failed
	return r
}

func print(peers []*peer, results map[key]run) {
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "at once\tconn/s\tfirst byte p50\tp99\tclose p50\tp99\tCPU/conn\tfailed\t  front end\t")
	ms := func(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }
	for _, c := range concurrency {
		for _, p := range peers {
			r := results[key{p.name, c}]
			fmt.Fprintf(w, "%d\t%.0f\t%s\t%s\t%s\t%s\t%d us\t%d\t  %s\t\n", c, r.perSecond, ms(r.first.p50), ms(r.first.p99),
				ms(r.closed.p50), ms(r.closed.p99), r.cpu.Microseconds(), r.failed, p.name)
		}
	}
	w.Flush()
}

// A ratio is a target: this against that, more or less than so much.
type ratio struct {
	what       string
	this, that string
	c          int
	of         func(run) float64
	want       float64
	atMost     bool
}

func rate(r run) float64 { return r.perSecond }
func p99(r run) float64  { return float64(r.first.p99) }

var targets = []ratio{
	{"against the C limit, 8 at once", "doorward, 10 rules", "limit in C: accept, vfork, exec", 8, rate, 0.85, false},
	{"against the C limit, 64 at once", "doorward, 10 rules", "limit in C: accept, vfork, exec", 64, rate, 0.85, false},
	{"against C that asks the kernel for as much", "doorward, 10 rules", "limit in C, all that doorward asks for", 64, rate, 0, false},
	{"against tcpserver in C", "doorward, 10 rules", "tcpserver in C, 10 cdb rules", 64, rate, 1.45, false},
	{"against xinetd, tcpd, tcp-env", "doorward, 10 rules", "xinetd, tcpd in C, tcp-env", 64, rate, 15, false},
	{"10,000 rules against 10", "doorward, 10,000 rules", "doorward, 10 rules", 64, rate, 0.95, false},
	{"1,000,000 prefixes against 10 rules", "doorward, 1,000,000 prefixes", "doorward, 10 rules", 64, rate, 0.90, false},
	{"p99 to the first byte, against tcpserver in C", "doorward, 10 rules", "tcpserver in C, 10 cdb rules", 64, p99, 0.75, true},
	{"refusing, against accept and close in C", "doorward, refusing", "limit in C: accept, close", 64, rate, 0.70, false},
	{"our tcpd in place of theirs under xinetd", "xinetd, tcpd of ours, tcp-env", "xinetd, tcpd in C, tcp-env", 64, rate, 1.0, false},
}

func ratios(results map[key]run) {
	fmt.Println()
	for _, t := range targets {
		this, ok1 := results[key{t.this, t.c}]
		that, ok2 := results[key{t.that, t.c}]
		if !ok1 || !ok2 || t.of(that) == 0 {
			fmt.Printf("%-48s not measured\n", t.what)
			continue
		}
		got, sign := t.of(this)/t.of(that), ">="
		met := got >= t.want
		if t.atMost {
			sign, met = "<=", got <= t.want
		}
		verdict := "met"
		if !met {
			verdict = "MISSED"
		}
		if t.want == 0 {
			fmt.Printf("%-48s %6.2f  for comparison\n", t.what, got)
			continue
		}
		fmt.Printf("%-48s %6.2f  wanted %s %.2f  %s\n", t.what, got, sign, t.want, verdict)
	}
}

// build makes the programs in C where there is a compiler. Our commands are
// those that "make build" has made.
func (b *bench) build() error {
	for _, name := range []string{"doorward", "tcpserver", "tcpd", "tcp-env", "tcprules"} {
		file, err := filepath.Abs(filepath.Join("bin", name))
		if err == nil {
			_, err = os.Stat(file)
		}
		if err == nil {
			err = os.Symlink(file, b.file(name))
		}
		if err != nil {
			return fmt.Errorf("\"make build\" comes first: %w", err)
		}
	}
	c := filepath.Join("cmd", "internal", "bench", "c")
	steps := []*exec.Cmd{
		exec.Command("cc", "-O2", "-o", b.file("limit"), c+"/limit.c"),
		exec.Command("cc", "-Os", "-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector", "-fno-asynchronous-unwind-tables",
			"-o", b.file("daemon"), c+"/daemon.c"),
	}
	for _, s := range steps {
		s.Stderr = os.Stderr
		if err := s.Run(); err != nil {
			return fmt.Errorf("%v: %w", s.Args, err)
		}
	}
	return b.rules()
}

// rules writes the ten rules of tcpserver.
func (b *bench) rules() error {
	text := ""
	for i := range 9 {
		text += fmt.Sprintf("10.0.%d.:deny\n", i)
	}
	in, err := os.Open(b.write("rules", text+"127.:allow,RELAYCLIENT=\"\"\n"))
	if err != nil {
		return err
	}
	defer in.Close()
	c := exec.Command(b.file("tcprules"), b.file("rules.cdb"), b.file("rules.tmp"))
	c.Stdin, c.Stderr = in, os.Stderr
	return c.Run()
}

// start starts the peers that are here, and names those that are not.
func (b *bench) start(only *regexp.Regexp) (here []*peer) {
	for _, p := range peers {
		if !only.MatchString(p.name) {
			continue
		}
		if m := p.missing(); m != "" {
			fmt.Printf("not measured for want of %s: %s\n", m, p.name)
			continue
		}
		if err := p.start(b); err != nil {
			fmt.Println("not measured:", err)
			p.stop()
			continue
		}
		here = append(here, p)
	}
	return here
}
