package launcher_test

import (
	"context"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"

	"doorward/acl"
	"doorward/acl/hosts"
	"doorward/launcher"
	"doorward/launcher/journal"
	"doorward/launcher/run"
	"doorward/launcher/sock"
)

// BenchmarkServe is the whole path of a connection, from dial to the end of
// the program, with ten rules, and 16 clients at once. "make profile" looks at
// it.
func BenchmarkServe(b *testing.B) {
	table := ""
	for _, n := range []string{"1", "2", "3", "4", "5", "6", "7", "8", "9"} {
		table += "t: 192.0.2." + n + ": setenv RULE " + n + "\n"
	}
	allow, err := hosts.Parse("allow", table+"t: 127.: setenv RELAYCLIENT\n", nil)
	if err != nil {
		b.Fatal(err)
	}
	serve(b, &launcher.Service{Name: "t", Daemon: "t", Policy: acl.All{hosts.Access{Allow: allow}},
		Program: run.Program{Path: "/bin/true", Setsid: true}, Env: []string{"PATH=/bin"}})
}

// BenchmarkRefuse is the path of a client that is kept out.
func BenchmarkRefuse(b *testing.B) {
	serve(b, &launcher.Service{Name: "t", Policy: fixed(acl.Decision{Verdict: acl.Deny})})
}

func serve(b *testing.B, svc *launcher.Service) {
	l, err := sock.Listen(sock.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0")})
	if err != nil {
		b.Fatal(err)
	}
	var served atomic.Int64
	s := &launcher.Server{Journal: func(e journal.Event) { served.Add(1) }}
	var p launcher.Port
	p.Set(svc)
	ctx, cancel := context.WithCancel(context.Background())
	accepting := make(chan error)
	go func() { accepting <- s.Accept(ctx, l, &p) }()
	b.ReportAllocs()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				b.Error(err)
				return
			}
			io.Copy(io.Discard, c)
			c.Close()
		}
	})
	cancel()
	<-accepting
	l.Close()
	s.Wait(context.Background())
	if served.Load() == 0 {
		b.Error("nothing happened")
	}
}
