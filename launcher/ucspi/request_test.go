package ucspi_test

import (
	"strings"
	"testing"

	"doorward/acl"
	"doorward/launcher/ucspi"
)

// lookup is os.LookupEnv of a program that was started with env.
func lookup(env []string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for _, kv := range env {
			if n, v, ok := strings.Cut(kv, "="); ok && n == name {
				return v, true
			}
		}
		return "", false
	}
}

func TestRequest(t *testing.T) {
	tests := []struct {
		env           string
		remote, local string
		mapped        bool
		err           string // part of it; empty: none
	}{
		{"TCPREMOTEIP=192.0.2.7 TCPREMOTEPORT=9 TCPLOCALIP=10.0.0.1 TCPLOCALPORT=25", "192.0.2.7:9", "10.0.0.1:25", false, ""},
		{"TCPREMOTEIP=2001:db8::1:1:1:1:1 TCPREMOTEPORT=9", "[2001:db8:0:1:1:1:1:1]:9", "invalid AddrPort", false, ""},
		{"TCPREMOTEIP=::ffff:192.0.2.7 TCPREMOTEPORT=9", "192.0.2.7:9", "invalid AddrPort", true, ""},    // tcpserver -6
		{"TCP6REMOTEIP=::ffff:192.0.2.7 TCP6REMOTEPORT=9", "192.0.2.7:9", "invalid AddrPort", false, ""}, // the twin alone
		{"TCPREMOTEIP=fe80::7 TCP6INTERFACE=eth0", "[fe80::7%eth0]:0", "invalid AddrPort", false, ""},
		{"", "invalid AddrPort", "invalid AddrPort", false, ""},
		{"TCPREMOTEIP=forged TCPLOCALIP=10.0.0.1", "invalid AddrPort", "10.0.0.1:0", false, `TCPREMOTEIP: "forged": not an address`},
		{"TCPREMOTEIP=192.0.2.7 TCPREMOTEPORT=smtp", "192.0.2.7:0", "invalid AddrPort", false, `TCPREMOTEPORT: "smtp": not a port`},
		{"TCPREMOTEIP=192.0.2.7 TCPREMOTEPORT=65536", "192.0.2.7:0", "invalid AddrPort", false, "not a port"},
	}
	for _, tt := range tests {
		t.Run(tt.env, func(t *testing.T) {
			r, err := ucspi.Request(lookup(strings.Fields(tt.env)), "smtp")
			if r.Remote.String() != tt.remote || r.Local.String() != tt.local || r.Mapped != tt.mapped {
				t.Errorf("got %v %v %v, want %s %s %v", r.Remote, r.Local, r.Mapped, tt.remote, tt.local, tt.mapped)
			}
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
		})
	}
}

// The program before this one has asked already: nobody asks again.
func TestRequestKnowsNamesAndUser(t *testing.T) {
	env := []string{"TCPREMOTEHOST=mx.example.com", "TCPREMOTEINFO=", "TCPLOCALHOST=softdnserror"}
	r, err := ucspi.Request(lookup(env), "smtp")
	if err != nil {
		t.Fatal(err)
	}
	r.Ask = func(f acl.Fact) acl.Answer { t.Errorf("asked for %v", f); return acl.Answer{} }
	if a := r.Get(acl.Name, ""); a != found("mx.example.com") {
		t.Errorf("name: %v", a)
	}
	if a := r.Get(acl.Ident, ""); a != found("") {
		t.Errorf("a user set and empty: %v", a)
	}
	if a := r.Get(acl.LocalName, ""); a.Status != acl.Failed {
		t.Errorf("softdnserror: %v", a)
	}
	r, _ = ucspi.Request(lookup(nil), "smtp")
	if a, ok := r.Known(acl.Name, ""); !ok || a.Status != acl.Unknown {
		t.Errorf("a name that is not set: %v, known %v", a, ok)
	}
}

func FuzzRequest(f *testing.F) {
	f.Add("192.0.2.7", "25", "mx.example.com", "eth0")
	f.Add("::ffff:192.0.2.7", "", "a\nb", "")
	f.Add("fe80::1%lo", "0x19", "-", "\x00")
	f.Fuzz(func(t *testing.T, ip, port, host, zone string) {
		env := []string{"TCPREMOTEIP=" + ip, "TCPREMOTEPORT=" + port, "TCPREMOTEHOST=" + host, "TCP6INTERFACE=" + zone}
		r, _ := ucspi.Request(lookup(env), "smtp")
		if r.Remote.Addr().Is4In6() {
			t.Errorf("%q: a mapped address: %v", ip, r.Remote)
		}
		out, err := ucspi.Doorward.Environ(nil, r, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, kv := range out {
			if i := strings.IndexFunc(kv, func(c rune) bool { return c < ' ' || c > '~' }); i >= 0 && !strings.HasPrefix(kv, "TCP6INTERFACE=") {
				t.Errorf("an odd byte got through: %q", kv)
			}
		}
	})
}
