package lookup_test

import (
	"bufio"
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"doorward/acl"
	"doorward/launcher/lookup"
)

// An identd answers one query after the other with the same words.
type identd struct {
	port    uint16
	mu      sync.Mutex
	queries []string // "query from address"
}

// serveIdent starts an ident server on 127.0.0.1 that replies in chunks, with
// a pause before each, and hangs up afterwards. No chunks: it never replies.
func serveIdent(t *testing.T, pause time.Duration, chunks ...string) *identd {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &identd{port: l.Addr().(*net.TCPAddr).AddrPort().Port()}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { d.serve(conn, done, pause, chunks) })
		}
	})
	t.Cleanup(func() { close(done); l.Close(); wg.Wait() })
	return d
}

func (d *identd) serve(conn net.Conn, done chan struct{}, pause time.Duration, chunks []string) {
	defer conn.Close()
	query, _ := bufio.NewReader(conn).ReadString('\n')
	d.mu.Lock()
	d.queries = append(d.queries, query+" from "+conn.RemoteAddr().(*net.TCPAddr).IP.String())
	d.mu.Unlock()
	for _, c := range chunks {
		select {
		case <-time.After(pause):
		case <-done:
			return
		}
		if _, err := conn.Write([]byte(c)); err != nil {
			return
		}
	}
	if len(chunks) == 0 {
		<-done
	}
}

func (d *identd) asked() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.queries, ", ")
}

func TestIdent(t *testing.T) {
	const userid = "40001, 25 : USERID : UNIX : joe\r\n"
	tests := []struct {
		what             string
		chunks           []string
		wrappers, tcpenv acl.Answer
	}{
		{"a user", []string{userid}, acl.Answer{Status: acl.Found, Text: "joe"}, acl.Answer{Status: acl.Found, Text: "joe"}},
		{"a user, byte by byte", strings.Split(userid, ""), acl.Answer{Status: acl.Found, Text: "joe"}, acl.Answer{Status: acl.Found, Text: "joe"}},
		{"an error", []string{"40001, 25 : ERROR : NO-USER\r\n"}, acl.Answer{}, acl.Answer{Status: acl.Found}},
		{"the wrong ports", []string{"40002, 25 : USERID : UNIX : joe\r\n"}, acl.Answer{}, acl.Answer{Status: acl.Found, Text: "joe"}},
		{"no end of line", []string{"40001, 25 : USERID : UNIX : joe"}, acl.Answer{}, acl.Answer{}},
		{"nothing", []string{""}, acl.Answer{}, acl.Answer{}},
		{"blanks without end", []string{strings.Repeat(" ", 5000)}, acl.Answer{}, acl.Answer{}},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			t.Parallel()
			d := serveIdent(t, 0, tt.chunks...)
			r := func() *acl.Request {
				return &acl.Request{Remote: netip.MustParseAddrPort("127.0.0.1:40001"), Local: netip.MustParseAddrPort("127.0.0.5:25")}
			}
			ask := func(fs lookup.Finders) acl.Answer {
				r := r()
				fs.Attach(context.Background(), r, 5*time.Second)
				return r.Get(acl.Ident, "")
			}
			if got := ask(lookup.Wrappers{IdentPort: d.port}.Finders()); got != tt.wrappers {
				t.Errorf("tcp_wrappers: got %v, want %v", got, tt.wrappers)
			}
			if got := ask(lookup.UCSPI{IdentPort: d.port, Wait: 5 * time.Second}.TCPEnv()); got != tt.tcpenv {
				t.Errorf("tcp-env: got %v, want %v", got, tt.tcpenv)
			}
			// Asked from the address that the client connected to, or its
			// server would not know the connection.
			if got, want := d.asked(), "40001,25\r\n from 127.0.0.5, 40001 , 25\r\n from 127.0.0.5"; got != want {
				t.Errorf("asked %q, want %q", got, want)
			}
		})
	}
}

func TestIdentWaitsNoLongerThanItMay(t *testing.T) {
	request := func() *acl.Request {
		return &acl.Request{Remote: netip.MustParseAddrPort("127.0.0.1:40001"), Local: netip.MustParseAddrPort("127.0.0.1:25")}
	}
	mute := serveIdent(t, 0)
	slow := serveIdent(t, 100*time.Millisecond, strings.Split(strings.Repeat("x", 100), "")...)
	tests := []struct {
		what  string
		fs    lookup.Finders
		arg   string
		limit time.Duration
	}{
		{"rfc931 1", lookup.Wrappers{IdentPort: mute.port}.Finders(), "1", time.Minute},
		{"rfc931 1, drop by drop", lookup.Wrappers{IdentPort: slow.port}.Finders(), "1", time.Minute},
		{"a limit below rfc931", lookup.Wrappers{IdentPort: mute.port}.Finders(), "30", 200 * time.Millisecond},
		{"tcpserver -t", lookup.UCSPI{IdentPort: mute.port, Wait: 200 * time.Millisecond}.TCPServer(), "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			t.Parallel()
			r := request()
			tt.fs.Attach(context.Background(), r, tt.limit)
			start := time.Now()
			got := r.Get(acl.Ident, tt.arg)
			if took := time.Since(start); got != (acl.Answer{}) || took > 5*time.Second {
				t.Errorf("got %v after %v", got, took)
			}
		})
	}
}

func TestIdentIsNotAsked(t *testing.T) {
	d := serveIdent(t, 0, "40001, 25 : USERID : UNIX : joe\r\n")
	client, server := netip.MustParseAddrPort("127.0.0.1:40001"), netip.MustParseAddrPort("127.0.0.1:25")
	wrappers := lookup.Wrappers{IdentPort: d.port}.Finders()
	tests := []struct {
		what string
		fs   lookup.Finders
		r    acl.Request
	}{
		{"about a datagram", wrappers, acl.Request{Remote: client, Local: server, Datagram: true}},
		{"without the client's port", wrappers, acl.Request{Remote: netip.AddrPortFrom(client.Addr(), 0), Local: server}},
		{"without the server's address", wrappers, acl.Request{Remote: client}},
	}
	for _, tt := range tests {
		tt.fs.Attach(context.Background(), &tt.r, time.Second)
		if got := tt.r.Get(acl.Ident, ""); got != (acl.Answer{}) || d.asked() != "" {
			t.Errorf("%s: got %v, asked %q", tt.what, got, d.asked())
		}
	}
}

// tcp-env -t 0 does not wait for what it is told.
func TestIdentWithoutTime(t *testing.T) {
	d := serveIdent(t, 0, "40001, 25 : USERID : UNIX : joe\r\n")
	r := &acl.Request{Remote: netip.MustParseAddrPort("127.0.0.1:40001"), Local: netip.MustParseAddrPort("127.0.0.1:25")}
	lookup.UCSPI{IdentPort: d.port}.TCPEnv().Attach(context.Background(), r, time.Second)
	if got := r.Get(acl.Ident, ""); got != (acl.Answer{}) {
		t.Errorf("got %v", got)
	}
}
