package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// A run is what one load on one front end came to.
type run struct {
	perSecond float64       // connections
	first     quantiles     // from dial to the first byte
	closed    quantiles     // from dial to the end
	cpu       time.Duration // of the whole machine, load generator included, for each connection
	failed    int
}

type quantiles struct{ p50, p99 time.Duration }

// A visit is one connection as its client saw it.
type visit struct {
	first, closed time.Duration
	err           error
}

// load has c clients come at once, for a while. Those who expect to be refused
// expect nothing but the end. There is a crowd for each processor.
func load(addr string, c int, length time.Duration, refused bool) (run, error) {
	crowds := make([]*crowd, min(c, runtime.GOMAXPROCS(0)))
	for i := range crowds {
		var err error
		if crowds[i], err = newCrowd(addr, (c+i)/len(crowds), refused); err != nil {
			return run{}, err
		}
	}
	var all sync.WaitGroup
	busy, start := machineTime(), time.Now()
	for _, cr := range crowds {
		all.Go(func() { cr.run(start.Add(length)) })
	}
	all.Wait()
	took, worked := time.Since(start), machineTime()-busy
	var visits []visit
	for _, cr := range crowds {
		visits = append(visits, cr.visits...)
	}
	return summary(visits, took, worked), nil
}

func summary(visits []visit, took, busy time.Duration) run {
	var first, closed []time.Duration
	for _, v := range visits {
		if v.err == nil {
			first, closed = append(first, v.first), append(closed, v.closed)
		}
	}
	ok := len(closed)
	r := run{failed: len(visits) - ok, first: quantilesOf(first), closed: quantilesOf(closed)}
	if ok > 0 {
		r.perSecond = float64(ok) / took.Seconds()
		r.cpu = busy / time.Duration(ok)
	}
	return r
}

func quantilesOf(d []time.Duration) quantiles {
	if len(d) == 0 {
		return quantiles{}
	}
	slices.Sort(d)
	return quantiles{d[len(d)/2], d[len(d)*99/100]}
}

// patience bounds one connection: whoever needs longer has failed.
const patience = 20 * time.Second

// call is one client, where it does not matter what that costs.
func call(addr string, refused bool) (v visit) {
	start := time.Now()
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return visit{err: err}
	}
	defer c.Close()
	c.SetDeadline(start.Add(patience))
	if !refused {
		if v.err = greeted(c); v.err != nil {
			return v
		}
		v.first = time.Since(start)
		io.WriteString(c, "QUIT\r\n")
	}
	rest, err := io.ReadAll(c)
	if v.closed = time.Since(start); refused {
		v.first = v.closed
	}
	switch {
	case len(rest) > 0:
		v.err = fmt.Errorf("heard %.40q", rest)
	case err != nil && !(refused && strings.Contains(err.Error(), "reset")):
		v.err = err
	}
	return v
}

var errGreeting = errors.New("not the daemon's greeting")

// greeting is what the daemon of all front ends says.
var greeting = []byte("220 bench\r\n")

func greeted(r io.Reader) error {
	b := make([]byte, len(greeting))
	if _, err := io.ReadFull(r, b); err != nil {
		return err
	}
	if !bytes.Equal(b, greeting) {
		return errGreeting
	}
	return nil
}

// machineTime is how long the processors have worked since the machine
// started: user, nice, system, interrupts (proc_stat(5)), in ticks of 10 ms.
func machineTime() time.Duration {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	var user, nice, system, idle, wait, irq, soft int64
	fmt.Sscanf(string(b), "cpu %d %d %d %d %d %d %d", &user, &nice, &system, &idle, &wait, &irq, &soft)
	return time.Duration(user+nice+system+irq+soft) * 10 * time.Millisecond
}
