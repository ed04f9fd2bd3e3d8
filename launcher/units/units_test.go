package units_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"doorward/launcher/units"
	"doorward/launcher/xinetd"
)

// host has two users: mail, in the group adm as well, and news.
func host() xinetd.Host {
	return xinetd.Host{FS: xinetd.Disk{}, User: func(name string) (xinetd.User, bool) {
		u, ok := map[string]xinetd.User{
			"root": {},
			"mail": {UID: 8, GID: 8, Groups: []uint32{8, 4}},
			"news": {UID: 9, GID: 9, Groups: []uint32{9}},
		}[name]
		return u, ok
	}}
}

// entry is a service on a port that may be below 1024.
func entry(id, port string, lines ...string) string {
	return "service " + id + "\n{\n\ttype = UNLISTED\n\tsocket_type = stream\n\tprotocol = tcp\n\twait = no\n\tserver = /bin/true\n\tport = " +
		port + "\n\t" + strings.Join(lines, "\n\t") + "\n}\n"
}

// write returns the units of a configuration by name.
func write(t *testing.T, config string) map[string]string {
	t.Helper()
	h := host()
	c, err := xinetd.Parse("doorward.conf", config, h)
	if err != nil {
		t.Fatal(err)
	}
	files := units.Write(slices.Collect(c.Startable), units.Options{Exec: "/bin/true", Config: "/etc/a dir/100%.conf", User: h.User})
	texts := map[string]string{}
	for _, f := range files {
		texts[f.Name] = f.Text
	}
	return texts
}

func lines(t *testing.T, text string, keys ...string) string {
	t.Helper()
	var found []string
	for line := range strings.Lines(text) {
		key, _, _ := strings.Cut(line, "=")
		if slices.Contains(keys, key) {
			found = append(found, strings.TrimSuffix(line, "\n"))
		}
	}
	return strings.Join(found, " ")
}

func TestSocketsListenWhereTheServiceDoes(t *testing.T) {
	tests := []struct{ lines, want string }{
		{"", "ListenStream=[::]:25 BindIPv6Only=both"},
		{"flags = IPv4", "ListenStream=0.0.0.0:25 BindIPv6Only=both"},
		{"v6only = yes", "ListenStream=[::]:25 BindIPv6Only=ipv6-only"},
		{"bind = 192.0.2.1 2001:db8::1", "ListenStream=192.0.2.1:25 ListenStream=[2001:db8::1]:25 BindIPv6Only=both FreeBind=yes"},
		{"bind = fe80::1%eth0", "ListenStream=[fe80::1]:25%%eth0 BindIPv6Only=both FreeBind=yes"},
	}
	for _, tt := range tests {
		t.Run(tt.lines, func(t *testing.T) {
			text := write(t, entry("smtp", "25", "user = mail", tt.lines))["doorward-smtp.socket"]
			if got := lines(t, text, "ListenStream", "ListenDatagram", "BindIPv6Only", "FreeBind"); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestCapabilitiesAreThoseTheServicesNeed(t *testing.T) {
	const ids = "CapabilityBoundingSet=CAP_SETUID CAP_SETGID CAP_KILL"
	tests := []struct{ what, config, want string }{
		{"one user, in its own group alone", entry("a", "25", "user = news"),
			"User=news Group=9 CapabilityBoundingSet= AmbientCapabilities="},
		{"one user, who is to leave its groups", entry("a", "25", "user = mail"), ids},
		{"one user, with its groups", entry("a", "25", "user = mail", "groups = yes"),
			"User=mail Group=8 CapabilityBoundingSet= AmbientCapabilities="},
		{"two users", entry("a", "25", "user = news") + entry("b", "26", "user = mail"), ids},
		{"root", entry("a", "25", "user = root"), ids},
		{"one user, before others", entry("a", "25", "user = news", "nice = -5"),
			"User=news Group=9 CapabilityBoundingSet=CAP_SYS_NICE AmbientCapabilities=CAP_SYS_NICE"},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			text := write(t, tt.config)["doorward.service"]
			if got := lines(t, text, "User", "Group", "CapabilityBoundingSet", "AmbientCapabilities"); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestHomesAreOutOfSightUnlessNeeded(t *testing.T) {
	for args, want := range map[string]string{"-d /srv": "ProtectHome=yes", "--base-path=/home/git": "ProtectHome=read-only"} {
		text := write(t, entry("a", "25", "user = news", "server_args = "+args))["doorward.service"]
		if got := lines(t, text, "ProtectHome"); got != want {
			t.Errorf("%s: got %s, want %s", args, got, want)
		}
	}
}

func TestUnitsOfAllServicesHaveNamesOfTheirOwn(t *testing.T) {
	got := write(t, entry("smtp", "25", "user = news")+entry("a%b", "26", "user = news")+entry("a/b", "27", "user = news", "id = a$b"))
	for _, name := range []string{"doorward-smtp.socket", "doorward-a_b.socket", "doorward-a_b-tcp.socket", "doorward.service"} {
		if got[name] == "" {
			t.Errorf("no %s", name)
		}
	}
}

// worlds are configurations that differ in what their units say.
var worlds = map[string]string{
	"one user": entry("smtp", "25", "user = news"),
	"many": entry("smtp", "25", "user = mail", "bind = 192.0.2.1 2001:db8::1 fe80::1%lo") + entry("ftp", "21", "user = root", "rlimit_files = 600000") +
		entry("rsync", "873", "user = news", "nice = -3", "id = rsync-100%:x"),
}

// systemd-analyze has nothing to say about the units, and finds little that
// the service might do.
func TestSystemdAnalyze(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("needs systemd-analyze")
	}
	for name, config := range worlds {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			args := []string{"verify", "--man=no"}
			for name, text := range write(t, config) {
				file := filepath.Join(dir, name)
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				args = append(args, file)
			}
			if out, err := exec.Command(analyze, args...).CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("verify: %v\n%s", err, out)
			}
			// The scale is from 0 to 10, times 10: a unit that says nothing has 96.
			out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=30", filepath.Join(dir, "doorward.service")).CombinedOutput()
			if err != nil {
				t.Errorf("security: %v\n%s", err, out)
			}
			all := strings.Split(strings.TrimSpace(string(out)), "\n")
			t.Log(all[len(all)-1])
		})
	}
}
