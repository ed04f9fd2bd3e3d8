package lookup_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"doorward/acl"
	"doorward/launcher/internal/dnstest"
	"doorward/launcher/lookup"
)

// However a server goes wrong, and however patient the resolver is: no fact
// takes longer than the limit, and none that is forged is found.
func TestNoFactTakesLongerThanItMay(t *testing.T) {
	const limit = 200 * time.Millisecond
	for _, f := range dnstest.Faults {
		z := zone{
			ptr:    map[string]string{ptr7: "mx.example.com."},
			addrs:  map[string][]string{"mx.example.com.": {"192.0.2.7"}},
			faults: everywhere(f),
		}
		s := serve(t, z)
		res := &lookup.Resolver{Servers: []netip.AddrPort{s.Addr, s.Addr}, Timeouts: []time.Duration{time.Minute, time.Minute}}
		u := lookup.UCSPI{DNS: func() *lookup.Resolver { return res }, Paranoid: true}
		sets := []lookup.Finders{u.TCPServer(), u.TCPEnv(), lookup.Wrappers{System: system(t, nil, s)}.Finders()}
		for i, fs := range sets {
			t.Run(fmt.Sprintf("%s %d", f, i), func(t *testing.T) {
				t.Parallel()
				r := &acl.Request{Remote: netip.MustParseAddrPort("192.0.2.7:40001")}
				fs.Attach(context.Background(), r, limit)
				start := time.Now()
				a := r.Get(acl.Name, "")
				if took := time.Since(start); took > limit+3*time.Second { // a busy machine is forgiven much
					t.Errorf("took %v", took)
				}
				if a.Status == acl.Found && a.Text != "mx.example.com" || a.Status != acl.Found && a.Text != "" {
					t.Errorf("got %v", a)
				}
			})
		}
	}
}
