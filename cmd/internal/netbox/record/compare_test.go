package record

import (
	"reflect"
	"slices"
	"testing"
)

func ptr(s string) *string { return &s }

// served is a case and the result that is exactly as recorded.
func served() (*Case, *Result) {
	daemon := Daemon{Argv: []string{"smtpd"}, Env: map[string]string{"A": "b"}, Groups: []int{}, Umask: "022"}
	c := &Case{ID: "1", Expect: Expect{
		Outcome: "executed", Received: "@DUMP@\n", Syslog: [][2]string{{"daemon.info", "smtpd[PID]: connect from x"}},
		Ident: []string{"40001,25\r\n"}, DNS: &[][2]string{{"x.example", "TXT"}},
		Stderr: ptr(""), Stdout: ptr("25\n"), OutFiles: map[string]string{"s": "1\n"}, Daemon: daemon,
	}}
	r := &Result{
		ID: "1", Received: "@DUMP@\n", Seconds: 0.1, Syslog: [][2]string{{"daemon.info", "smtpd[PID]: connect from x"}},
		Ident: []string{"40001,25\r\n"}, DNS: [][2]string{{"x.example", "TXT"}},
		Stdout: "25\n", OutFiles: map[string]string{"s": "1\n"},
		Dump: &Dump{Daemon: Daemon{Argv: []string{"smtpd"}, Env: map[string]string{"A": "b"}, Umask: "022"}, Open: []int{0, 1, 2}},
	}
	return c, r
}

// Whatever a replay does otherwise is noticed, and nothing else is.
func TestCompareNamesTheField(t *testing.T) {
	tests := []struct {
		change func(*Case, *Result)
		want   []string
	}{
		{func(*Case, *Result) {}, nil},
		{func(_ *Case, r *Result) { r.Error = "no box" }, []string{"replay"}},
		{func(_ *Case, r *Result) { r.Exit = 1 }, []string{"exit"}},
		{func(_ *Case, r *Result) { r.Received = "" }, []string{"received"}},
		{func(_ *Case, r *Result) { r.Seconds = 5 }, []string{"seconds"}},
		{func(c *Case, _ *Result) { c.Expect.Seconds = 5 }, []string{"seconds"}}, // it let go too early
		{func(_ *Case, r *Result) { r.Syslog = nil }, []string{"syslog"}},
		{func(_ *Case, r *Result) { r.Syslog[0][0] = "daemon.err" }, []string{"syslog"}},
		{func(_ *Case, r *Result) { r.Ident = nil }, []string{"ident_queries"}},
		{func(c *Case, _ *Result) { c.Expect.Ident = nil }, []string{"ident_queries"}}, // asked without need
		{func(c *Case, r *Result) { c.Oidentd, r.Ident = true, nil }, nil},             // oidentd does not tell
		{func(_ *Case, r *Result) { r.DNS = append(r.DNS, r.DNS...) }, []string{"dns_queries"}},
		{func(c *Case, r *Result) { c.Expect.DNS, r.DNS = nil, nil }, nil}, // not recorded
		{func(_ *Case, r *Result) { r.Stderr = "x" }, []string{"stderr"}},
		{func(_ *Case, r *Result) { r.Stdout = "" }, []string{"stdout"}},
		{func(_ *Case, r *Result) { r.OutFiles = nil }, []string{"out_files s"}},
		{func(_ *Case, r *Result) { r.OutFiles["t"] = "" }, []string{"out_files t"}},
		{func(_ *Case, r *Result) { r.Others = []string{"@DUMP@\n", ""} }, []string{"received by connection 2"}},
		{func(_ *Case, r *Result) { r.Dump = nil }, []string{"outcome", "daemon"}},
		{func(c *Case, _ *Result) { c.Expect.Outcome, c.Expect.Argv = "", nil }, []string{"daemon"}},
		{func(_ *Case, r *Result) { r.Dump.Argv = nil }, []string{"argv"}},
		{func(_ *Case, r *Result) { r.Dump.Env["A"] = "c" }, []string{"env A"}},
		{func(_ *Case, r *Result) { r.Dump.Env["B"] = "" }, []string{"env B"}}, // set though empty
		{func(_ *Case, r *Result) { delete(r.Dump.Env, "A") }, []string{"env A"}},
		{func(_ *Case, r *Result) { r.Dump.Twice = []string{"A"} }, []string{"names twice in the environment"}},
		{func(_ *Case, r *Result) { r.Dump.UID, r.Dump.GID = 1, 2 }, []string{"uid", "gid"}},
		{func(_ *Case, r *Result) { r.Dump.Groups = []int{0} }, []string{"groups"}},
		{func(_ *Case, r *Result) { r.Dump.Umask, r.Dump.Nice = "077", 1 }, []string{"umask", "nice"}},
		{func(_ *Case, r *Result) { r.Dump.Keepalive, r.Dump.NoDelay = 1, 1 }, []string{"keepalive", "nodelay"}},
		{func(_ *Case, r *Result) { r.Dump.Linger[1] = 30 }, []string{"linger"}},
	}
	for _, tt := range tests {
		c, r := served()
		tt.change(c, r)
		var got []string
		for _, d := range Compare(c, r) {
			got = append(got, d.Field)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestDescriptorsBeyondTwoAreNoticed(t *testing.T) {
	_, r := served()
	if d := Descriptors(r); len(d) != 0 {
		t.Errorf("three descriptors that block: %v", d)
	}
	r.Dump.Open = append(r.Dump.Open, 7)
	r.Dump.NonBlock = []int{0}
	if d := Descriptors(r); len(d) != 2 {
		t.Errorf("a fourth, and one that does not block: got %v", d)
	}
}

// A changed copy of what is expected leaves the record as it is.
func TestCloneSharesNothing(t *testing.T) {
	c, _ := served()
	changed := c.Expect.Clone()
	changed.Env["A"] = "changed"
	changed.Syslog[0][1] = "changed"
	(*changed.DNS)[0][0] = "changed"
	changed.Ident[0] = "changed"
	changed.OutFiles["s"] = "changed"
	changed.Argv[0] = "changed"
	if again, _ := served(); !reflect.DeepEqual(c, again) {
		t.Errorf("got %+v, want %+v", c.Expect, again.Expect)
	}
}

// Every byte survives its latin-1 view.
func TestTextIsBytes(t *testing.T) {
	var all []byte
	for i := range 256 {
		all = append(all, byte(i))
	}
	if got := Bytes(Text(all)); !slices.Equal(got, all) {
		t.Errorf("got %q", got)
	}
	if got := string(Bytes("\u2026")); got != "\u2026" { // no byte: its UTF-8
		t.Errorf("got %q", got)
	}
}

// The corpora can be read, and say something.
func TestReadCorpora(t *testing.T) {
	for _, name := range []string{"e2e_tcpd", "e2e_tcpenv", "e2e_tcpserver", "e2e_rblsmtpd"} {
		cases, err := Read("../../../../testdata/conformance/" + name + ".jsonl")
		if err != nil {
			t.Fatal(err)
		}
		seen := make(map[string]bool)
		for _, c := range cases {
			if c.ID == "" || c.Kind == "" || c.Client.Addr == "" || seen[c.ID] {
				t.Errorf("%s: %q is without kind or client, or there twice", name, c.ID)
			}
			seen[c.ID] = true
		}
		if len(cases) == 0 {
			t.Errorf("%s is empty", name)
		}
	}
}
