package run

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"doorward/acl"
)

// handover returns a program that prints its environment and what status says
// of it, about to get a connection.
func handover(t *testing.T) (h *Handover, client net.Conn) {
	t.Helper()
	fd, client := connection()
	t.Cleanup(func() { unix.Close(fd); client.Close() })
	return &Handover{Program: Program{Path: "/bin/cat", Argv: []string{"cat", "/proc/self/status"}}, Conn: fd, Daemon: "smtp"}, client
}

// only returns a decision with options and nothing else.
func only(os ...acl.Option) acl.Decision { return acl.Decision{Verdict: acl.Allow, Options: os} }

// serve starts the program and returns what the client gets until its end.
func serve(t *testing.T, h *Handover, client net.Conn, env []string) string {
	t.Helper()
	c, err := h.Program.Start(h.Conn, env)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Wait(); err != nil {
		t.Fatal(err)
	}
	unix.Shutdown(h.Conn, unix.SHUT_WR)
	client.SetReadDeadline(time.Now().Add(10 * time.Second))
	out, err := io.ReadAll(client)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestOptionsChangeTheProgram(t *testing.T) {
	h, client := handover(t)
	if err := h.Apply(only(
		acl.Option{Key: "umask", Value: "027"},
		acl.Option{Key: "nice"},
		acl.Option{Key: "nice", Value: "+2"},
		acl.Option{Key: "severity", Value: "mail.info"},
		acl.Option{Key: "rfc931", Value: "5"},
		acl.Option{Key: "allow"},
	)); err != nil {
		t.Fatal(err)
	}
	holds(t, serve(t, h, client, nil), "Umask:\t0027")
	if h.Program.Nice != 12 || h.Severity != "mail.info" || h.Twisted || h.Warnings != nil {
		t.Errorf("got %+v", h)
	}
}

func TestUserTakesItsGroups(t *testing.T) {
	needsRoot(t)
	nobody, err := LookupUser("nobody")
	if err != nil {
		t.Skip("needs a user nobody: ", err)
	}
	for _, tt := range []struct {
		options []acl.Option
		gid     uint32
	}{
		{[]acl.Option{{Key: "user", Value: "nobody"}}, nobody.GID},
		{[]acl.Option{{Key: "user", Value: "nobody.root"}}, 0},
		{[]acl.Option{{Key: "group", Value: "root"}, {Key: "user", Value: "nobody"}}, 0},
		{[]acl.Option{{Key: "user", Value: "nobody"}, {Key: "group", Value: "root"}}, 0},
	} {
		h, _ := handover(t)
		if err := h.Apply(only(tt.options...)); err != nil {
			t.Fatal(err)
		}
		if c := h.Program.Cred; c.UID != nobody.UID || c.GID != tt.gid || c.KeepUser || c.KeepGroups {
			t.Errorf("%v: got %+v", tt.options, c)
		}
	}
}

func TestOptionsChangeTheSocket(t *testing.T) {
	h, _ := handover(t)
	if err := h.Apply(only(acl.Option{Key: "keepalive"}, acl.Option{Key: "linger", Value: "7"})); err != nil {
		t.Fatal(err)
	}
	if n, err := unix.GetsockoptInt(h.Conn, unix.SOL_SOCKET, unix.SO_KEEPALIVE); n != 1 {
		t.Errorf("SO_KEEPALIVE %d, %v", n, err)
	}
	if n, err := unix.GetsockoptInt(h.Conn, unix.SOL_SOCKET, unix.SO_LINGER); n != 1 { // l_onoff comes first
		t.Errorf("SO_LINGER %d, %v", n, err)
	}
}

func TestOptionThatCannotBeCarriedOutIsAnError(t *testing.T) {
	for _, o := range []acl.Option{
		{Key: "umask", Value: "8"}, {Key: "umask", Value: "1000"}, {Key: "umask", Value: "-1"}, {Key: "umask"},
		{Key: "nice", Value: "x"}, {Key: "linger", Value: "-1"}, {Key: "linger", Value: "1 2"},
		{Key: "user", Value: "no-such-user"}, {Key: "user", Value: "root.no-such-group"}, {Key: "user"},
		{Key: "group", Value: "no-such-group"}, {Key: "sandbox", Value: "yes"}, {Key: ""},
	} {
		h, _ := handover(t)
		var e *OptionError
		if err := h.Apply(only(o)); !errors.As(err, &e) || e.Option != o {
			t.Errorf("%v: got %v, want an error", o, err)
		}
	}
}

func TestSpawnSeesTheEnvironmentSoFar(t *testing.T) {
	file := filepath.Join(t.TempDir(), "out")
	h, _ := handover(t)
	h.Env = []string{"A=base", "B=base", "OUT=" + file}
	err := h.Apply(acl.Decision{
		Env: []acl.Setenv{{Name: "A", Value: "1"}, {Name: "B", Unset: true}, {Name: "A", Value: "2"}},
		Options: []acl.Option{
			{Key: "spawn", Value: `echo "$A $B" >>$OUT; exit 3`, Env: 1},
			{Key: "spawn", Value: `echo "$A ${B-unset}" >>$OUT; readlink /proc/self/fd/0 /proc/self/fd/2 >>$OUT`, Env: 3},
		},
	})
	got, _ := os.ReadFile(file)
	if want := "1 base\n2 unset\n/dev/null\n/dev/null\n"; err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestCommandsEndAtTheLimit(t *testing.T) {
	h, _ := handover(t)
	h.Limit = 50 * time.Millisecond
	start := time.Now()
	if err := h.Apply(only(acl.Option{Key: "spawn", Value: "sleep 60 | sleep 60"})); err != nil {
		t.Error(err)
	}
	if err := h.Apply(only(acl.Option{Key: "aclexec", Value: "sleep 60; exit 0"})); err != ErrRefused {
		t.Errorf("aclexec without an answer: %v, want ErrRefused", err)
	}
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("took %v", d)
	}
}

func TestAclexecDecides(t *testing.T) {
	h, _ := handover(t)
	if err := h.Apply(only(acl.Option{Key: "aclexec", Value: "exit 0"})); err != nil {
		t.Error(err)
	}
	if err := h.Apply(only(acl.Option{Key: "aclexec", Value: "exit 1"})); err != ErrRefused || len(h.Warnings) != 0 {
		t.Errorf("got %v, %v", err, h.Warnings)
	}
	if err := h.Apply(only(acl.Option{Key: "aclexec", Value: "kill -9 $$"})); err != ErrRefused || len(h.Warnings) != 1 {
		t.Errorf("killed: %v, %v", err, h.Warnings)
	}
	h.Program.Cred = &Credential{UID: 1 << 31}
	if os.Getuid() != 0 {
		if err := h.Apply(only(acl.Option{Key: "aclexec", Value: "exit 0"})); err != ErrRefused {
			t.Errorf("cannot be run: %v", err)
		}
	}
}

func TestTwistTakesThePlaceOfTheProgram(t *testing.T) {
	h, client := handover(t)
	if err := h.Apply(only(acl.Option{Key: "umask", Value: "7"}, acl.Option{Key: "twist", Value: "echo $A; umask; echo err >&2"})); err != nil {
		t.Fatal(err)
	}
	if got := serve(t, h, client, []string{"A=b"}); got != "b\n0007\nerr\n" || !h.Twisted {
		t.Errorf("got %q", got)
	}
}

func TestBanner(t *testing.T) {
	for _, tt := range []struct{ file, want string }{
		{"hello %h\nbye\n", "hello <h>\r\nbye\r\n"},
		{"no end", "no end"},
		{"crlf\r\n", "crlf\r\r\n"},
		{"[unbalanced\n[balanced]\n", "[unbalanced\n[balanced]\r\n"},
		{"\x00\x00telnet\n", "\x00\x00telnet\r\n"},
		{"cut\x00here\nnext\n", "cutnext\r\n"},
		{"", ""},
	} {
		dir := t.TempDir()
		os.WriteFile(filepath.Join(dir, "smtp"), []byte(tt.file), 0o600)
		h, client := handover(t)
		h.Expand = func(s string) (string, error) { return strings.ReplaceAll(s, "%h", "<h>"), nil }
		if err := h.Apply(only(acl.Option{Key: "banners", Value: dir})); err != nil || h.Warnings != nil {
			t.Errorf("%v, %v", err, h.Warnings)
		}
		unix.Shutdown(h.Conn, unix.SHUT_WR)
		if got, _ := io.ReadAll(client); string(got) != tt.want {
			t.Errorf("%q: got %q, want %q", tt.file, got, tt.want)
		}
	}
}

func TestBannerThatIsMissing(t *testing.T) {
	h, _ := handover(t)
	if err := h.Apply(only(acl.Option{Key: "banners", Value: t.TempDir()})); err != nil || h.Warnings != nil {
		t.Errorf("no file: %v, %v; want silence", err, h.Warnings)
	}
	if err := h.Apply(only(acl.Option{Key: "banners", Value: "/nonexistent"})); err != nil || len(h.Warnings) != 1 {
		t.Errorf("no directory: %v, %v; want a warning", err, h.Warnings)
	}
}

func TestBannerDoesNotWaitForever(t *testing.T) {
	h, _ := handover(t) // whose client never reads
	err := Send(h.Conn, strings.Repeat("x", 64<<20), time.Now().Add(50*time.Millisecond))
	if !errors.Is(err, syscall.ETIMEDOUT) {
		t.Errorf("got %v, want ETIMEDOUT", err)
	}
}
