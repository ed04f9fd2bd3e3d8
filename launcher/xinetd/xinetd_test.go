package xinetd_test

import (
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"doorward/acl"
	"doorward/launcher/xinetd"
)

// service writes an entry with what it must have, and lines.
func service(name string, port int, lines ...string) string {
	return fmt.Sprintf("service %s\n{\ntype = UNLISTED\nsocket_type = stream\nwait = no\nuser = root\nserver = /bin/true\nport = %d\n%s\n}\n",
		name, port, strings.Join(lines, "\n"))
}

func parse(src string) *xinetd.Config {
	c, _ := xinetd.Parse("/xinetd.conf", src, host(nil))
	return c
}

// Every name of xinetd.conf(5) is known, and takes a value or says why not.
func TestWholeLanguage(t *testing.T) {
	names := `id type flags disable socket_type protocol wait user group instances nice server server_args libwrap
		only_from no_access access_times log_type log_on_success log_on_failure rpc_version rpc_number env passenv port
		redirect bind interface banner banner_success banner_fail per_source cps max_load groups mdns umask rlimit_as
		rlimit_files rlimit_cpu rlimit_data rlimit_rss rlimit_stack deny_time v6only enabled disabled`
	for _, name := range strings.Fields(names) {
		_, err := xinetd.Parse("/f", "defaults\n{\n"+name+" = ?\n}\nservice x\n{\n"+name+" = ?\n}\n", host(nil))
		if err != nil && strings.Contains(err.Error(), "no such attribute") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What a file says is what a service has.
func TestValues(t *testing.T) {
	s := parse(service("a", 1, "cps = 50 10", "max_load = 2.5", "access_times = 0:00-8:30 20:00-23:59", "deny_time = 2", "banner = /etc/motd")).Services[0]
	switch {
	case !s.Startable():
		t.Error(s.Err())
	case s.CPS != xinetd.CPS{Rate: 50, Break: 10 * time.Second}:
		t.Errorf("cps %+v", s.CPS)
	case s.MaxLoad != 2.5, s.DenyTime != 2*time.Minute, s.Banner != "/etc/motd":
		t.Errorf("%+v", s)
	case !reflect.DeepEqual(s.AccessTimes, []xinetd.Interval{{From: 0, To: 510}, {From: 1200, To: 1439}}):
		t.Errorf("access_times %v", s.AccessTimes)
	}
}

// Only root can choose who runs a program; everybody else is who they are.
func TestWithoutRoot(t *testing.T) {
	tests := []struct {
		lines string
		why   string // empty: it starts
	}{
		{"", ""},
		{"user = mail", ""},
		{"user = 8", ""},
		{"user = mail\ngroup = mail", ""},
		{"user = mail\ngroup = users", "only root can start programs in another group"},
		{"user = root", "only root can start programs as somebody else"},
		{"user = stranger", "no such user"},
		{"group = mail", "there is no user to go with it"},
	}
	for _, tt := range tests {
		h := host(nil)
		h.UID, h.GID = 8, 12
		c, _ := xinetd.Parse("/f", strings.Replace(service("a", 1, tt.lines), "user = root\n", "", 1), h)
		s := c.Services[0]
		if s.Startable() != (tt.why == "") || tt.why != "" && !strings.Contains(s.Err().Error(), tt.why) {
			t.Errorf("%q: %v, want %q", tt.lines, s.Err(), tt.why)
		}
		if s.Cred != nil {
			t.Errorf("%q: would become %v", tt.lines, s.Cred)
		}
	}
}

func TestEveryAttributeKeepsItsPlace(t *testing.T) {
	files := map[string]string{"more": "defaults\n{\numask = 022\n}\n" + service("a", 1, "only_from = 192.0.2.7", "only_from += 192.0.2.8", "interface = ::1")}
	c, err := xinetd.Parse("/xinetd.conf", "defaults\n{\ninstances = 3\n}\ninclude /more\n", host(files))
	if err != nil {
		t.Fatal(err)
	}
	s := c.Services[0]
	for name, want := range map[string]string{
		"port": "/more:12", "only_from": "/more:14", "bind": "/more:15", "instances": "/xinetd.conf:3", "umask": "/more:3",
		"env": "/more:5", // not there: the service
	} {
		if got := s.At(name).String(); got != want {
			t.Errorf("%s at %s, want %s", name, got, want)
		}
	}
	var got []string
	for a := range s.Attributes {
		if a.Name == "only_from" {
			got = append(got, fmt.Sprint(a.Op, a.Values, a.Pos))
		}
	}
	if want := []string{"=[192.0.2.7] /more:13", "+=[192.0.2.8] /more:14"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for i, w := range s.Access.Only.Words() {
		if w.Pos != (acl.Pos{File: "/more", Line: 13 + i}) {
			t.Errorf("%s at %v", w.Text, w.Pos)
		}
	}
}

func TestFilesAndDirsToWatch(t *testing.T) {
	c, err := xinetd.Parse("/xinetd.conf", "include /gone\nincludedir /d\nincludedir /none\n", host(map[string]string{"d/a": "", "d/b": "include /c\n", "c": ""}))
	if err == nil {
		t.Error("nothing missing")
	}
	if got, want := c.Files(), []string{"/xinetd.conf", "/gone", "/d/a", "/d/b", "/c"}; !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
	if got, want := c.Dirs(), []string{"/d", "/none"}; !slices.Equal(got, want) {
		t.Errorf("directories %q, want %q", got, want)
	}
}

// Files that include files end somewhere, however they are knotted.
func TestIncludesAreBounded(t *testing.T) {
	deep := map[string]string{}
	for i := range 30 {
		next := fmt.Sprintf("include /f%d\n", i+1)
		deep[fmt.Sprintf("f%d", i)] = next + next + next + next // 4^30 files
	}
	c, err := xinetd.Parse("/xinetd.conf", "include /f0\n", host(deep))
	if err == nil || !strings.Contains(err.Error(), "more than 16 files deep") || !strings.Contains(err.Error(), "more than 1024 files") {
		t.Errorf("%.300v", err)
	}
	if n := len(c.Files()); n > 1024 {
		t.Errorf("%d files", n)
	}
}

func TestNoFirstFile(t *testing.T) {
	if c, err := xinetd.Load("/gone", host(nil)); c != nil || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v %v", c, err)
	}
}

func TestEnvironIsWhatIsNamed(t *testing.T) {
	s := parse(service("a", 1, "passenv = TZ GONE", "env = A=1 TZ=x")).Services[0]
	got := s.Environ(func(name string) (string, bool) { return "of doorward", name != "GONE" })
	if want := []string{"TZ=of doorward", "A=1", "TZ=x"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestServicesFile(t *testing.T) {
	port := xinetd.ParseServices("smtp\t25/tcp  mail # e-mail\nx 1/udp\nx 2/tcp x2\nx 3/tcp\n#y 4/tcp\nz\nw 70000/tcp\nv 5\n")
	tests := []struct {
		service, protocol string
		want              uint16
	}{
		{"smtp", "tcp", 25}, {"mail", "tcp", 25}, {"smtp", "udp", 0}, {"e-mail", "tcp", 0},
		{"x", "udp", 1}, {"x", "tcp", 2}, {"x2", "tcp", 2}, // the first counts
		{"y", "tcp", 0}, {"z", "tcp", 0}, {"w", "tcp", 0}, {"v", "tcp", 0},
	}
	for _, tt := range tests {
		if got, ok := port(tt.service, tt.protocol); got != tt.want || ok != (tt.want != 0) {
			t.Errorf("%s/%s is %d, want %d", tt.service, tt.protocol, got, tt.want)
		}
	}
}

func TestDiff(t *testing.T) {
	old := service("a", 1) + service("b", 2, "only_from = 192.0.2.7") + service("c", 3)
	tests := []struct {
		name, new, want string
	}{
		{"the same", old, ""},
		{"moved", "# a comment\n\n" + service("c", 3) + service("b", 2, "only_from = 192.0.2.7") + service("a", 1), ""},
		{"spelt differently", service("a", 1, "flags = REUSE") + service("b", 2, "only_from = 192.0.2.8", "only_from = 192.0.2.7") + service("c", 3), ""},
		{"one added", old + service("d", 4), "+ d"},
		{"one removed", service("a", 1) + service("c", 3), "- b"},
		{"one disabled", service("a", 1) + service("b", 2, "disable = yes") + service("c", 3), "- b"},
		{"a rule changed", service("a", 1) + service("b", 2, "only_from = 192.0.2.8") + service("c", 3), "~ b"},
		{"a list became empty", service("a", 1) + service("b", 2, "only_from =") + service("c", 3), "~ b"},
		{"a list went", service("a", 1) + service("b", 2) + service("c", 3), "~ b"},
		{"defaults changed", "defaults\n{\numask = 077\n}\n" + old, "~ a ~ b ~ c"},
		{"a port changed", service("a", 9) + service("b", 2, "only_from = 192.0.2.7") + service("c", 3), "~ a"},
		{"the value of a pointer stayed", old, ""},
		{"a mistake", service("a", 1, "nice = x") + service("b", 2, "only_from = 192.0.2.7"), "- a - c"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, c := range xinetd.Diff(parse(old), parse(tt.new)) {
				got = append(got, c.String())
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("got %q, want %q", s, tt.want)
			}
		})
	}
}

// A reload never loses a service to a mistake.
func TestKeepFrom(t *testing.T) {
	old := service("a", 1) + service("b", 2) + service("c", 3)
	tests := []struct {
		name, new string
		want      string // the changes when services with mistakes are kept
	}{
		{"a bad line", service("a", 1) + service("b", 2, "nice = x") + service("c", 4), "~ c"},
		{"a bad line in defaults", "defaults\n{\ncolour = blue\n}\n" + service("a", 9), "- b - c"},
		{"no }", service("a", 1) + "service b\n{\nport = 2\n" + service("c", 3), ""},
		{"no } at the end", service("a", 1) + "service b\n{\nport = 2\n", ""},
		{"a directory that cannot be read", "includedir /gone\n", ""},
		{"garbage", service("b", 2) + "garbage\n", ""},
		{"disabled, which is no mistake", service("a", 1) + service("b", 2, "disable = yes", "garbage") + service("c", 3), "- b"},
		{"gone, which is none either", service("a", 1), "- b - c"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			was, now := parse(old), parse(tt.new)
			kept := now.KeepFrom(was)
			var got []string
			for _, c := range xinetd.Diff(was, now) {
				got = append(got, c.String())
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("got %q, want %q; kept %v", s, tt.want, kept)
			}
			for _, k := range kept {
				if !slices.Contains(now.Services, k) || !k.Startable() {
					t.Errorf("kept %s, and lost it", k.ID)
				}
			}
		})
	}
}
