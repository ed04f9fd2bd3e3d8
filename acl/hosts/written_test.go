package hosts_test

import (
	"reflect"
	"testing"

	"doorward/acl"
	"doorward/acl/hosts"
)

// Rules come back as they were written, one by one, and lines that are no rules
// do not.
func TestAll(t *testing.T) {
	table, err := hosts.Parse("t", "# mine\n\nno rule\nSMTP, imap@mx EXCEPT 25 : joe@ALL \\\n[::1] except @trusted,.b Except c\nALL: ALL : spawn echo %d\\: : NICE=5\nftp: ALL\n", nil)
	if err == nil {
		t.Error("no error about line 3")
	}
	want := []hosts.Rule{
		{
			Pos: acl.Pos{File: "t", Line: 5}, Text: "SMTP, imap@mx EXCEPT 25 : joe@ALL [::1] except @trusted,.b Except c",
			Daemons: []hosts.Word{{"SMTP", "SMTP", "", 0}, {"imap@mx", "imap", "mx", 0}, {"25", "25", "", 1}},
			Clients: []hosts.Word{{"joe@ALL", "joe", "ALL", 0}, {"[::1]", "", "[::1]", 0}, {"@trusted", "", "@trusted", 1}, {".b", "", ".b", 1}, {"c", "", "c", 2}},
		},
		{
			Pos: acl.Pos{File: "t", Line: 6}, Text: `ALL: ALL : spawn echo %d\: : NICE=5`,
			Daemons: []hosts.Word{{"ALL", "ALL", "", 0}}, Clients: []hosts.Word{{"ALL", "", "ALL", 0}},
			Options: []hosts.Option{{"spawn", "echo %d:"}, {"NICE", "5"}},
		},
	}
	var got []hosts.Rule
	for rule := range table.All {
		if got = append(got, rule); len(got) == len(want) {
			break // the rest is not wanted, and must not come
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for rule := range (*hosts.Rules)(nil).All {
		t.Errorf("an empty table has %+v", rule)
	}
}
