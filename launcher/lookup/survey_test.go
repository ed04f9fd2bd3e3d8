package lookup

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// fileSystem is a System of these files alone.
func fileSystem(t *testing.T, hosts, netgroup string) System {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"hosts": hosts, "netgroup": netgroup, "nsswitch.conf": "hosts: files\n", "host.conf": "multi on\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return System{Hosts: dir + "/hosts", Netgroup: dir + "/netgroup", Nsswitch: dir + "/nsswitch.conf", HostConf: dir + "/host.conf"}
}

func TestAddrsHasBothFamilies(t *testing.T) {
	s := fileSystem(t, "192.0.2.1 one.example alias\n192.0.2.2 two.example\n2001:db8::2 two.example\n2001:db8::3 six.example\n", "")
	tests := []struct {
		name, official string
		addrs          []string
	}{
		{"one.example", "one.example", []string{"192.0.2.1"}},
		{"alias", "one.example", []string{"192.0.2.1"}},
		{"two.example", "two.example", []string{"2001:db8::2", "192.0.2.2"}},
		{"six.example", "six.example", []string{"2001:db8::3"}},
	}
	for _, tt := range tests {
		var want []netip.Addr
		for _, a := range tt.addrs {
			want = append(want, netip.MustParseAddr(a))
		}
		official, addrs, err := s.Addrs(context.Background(), tt.name)
		if official != tt.official || !slices.Equal(addrs, want) || err != nil {
			t.Errorf("%s: got %s, %v, %v", tt.name, official, addrs, err)
		}
	}
	if _, _, err := s.Addrs(context.Background(), "none.example"); !errors.Is(err, ErrAbsent) {
		t.Errorf("got %v", err)
	}
}

func TestHasNetgroup(t *testing.T) {
	s := fileSystem(t, "", "one (a.example,,)\nnested one\nempty\nround round\ntorn (a\n")
	for group, want := range map[string]bool{"one": true, "nested": true, "empty": false, "round": false, "torn": false, "": false, "ONE": false} {
		if got := s.HasNetgroup(group); got != want {
			t.Errorf("%q: got %v", group, got)
		}
	}
}
