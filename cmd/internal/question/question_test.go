package question_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"

	"doorward/acl"
	"doorward/cmd/internal/question"
)

func TestParseCutsAtTheFirstAt(t *testing.T) {
	tests := []struct {
		daemon, client string
		want           question.Question
	}{
		{"smtp", "192.0.2.7", question.Question{Daemon: "smtp", Server: "unknown", User: "unknown", Client: "192.0.2.7"}},
		{"smtp@192.0.2.1", "joe@192.0.2.7", question.Question{Daemon: "smtp", Server: "192.0.2.1", User: "joe", Client: "192.0.2.7"}},
		{"smtp@", "@192.0.2.7", question.Question{Daemon: "smtp", Server: "", User: "unknown", Client: "192.0.2.7"}},
		{"smtp", "a@b@c", question.Question{Daemon: "smtp", Server: "unknown", User: "a", Client: "b@c"}},
	}
	for _, tt := range tests {
		if got := question.Parse(tt.daemon, tt.client); got != tt.want {
			t.Errorf("%s %s: got %+v, want %+v", tt.daemon, tt.client, got, tt.want)
		}
	}
}

func TestHostsThatNeedNoResolver(t *testing.T) {
	addr := netip.MustParseAddr
	tests := []struct {
		word string
		want question.Host
	}{
		{"unknown", question.Host{Name: "unknown"}},
		{"PARANOID", question.Host{Name: "paranoid"}},
		{"192.0.2.7", question.Host{Addr: addr("192.0.2.7")}},
		{"::ffff:192.0.2.7", question.Host{Addr: addr("192.0.2.7"), Mapped: true}},
		{"fe80::1%lo", question.Host{Addr: addr("fe80::1%lo")}},
		{"1", question.Host{Addr: addr("0.0.0.1"), Resolved: true}},
		{"127.1", question.Host{Addr: addr("127.0.0.1"), Resolved: true}},
		{"192.0.2", question.Host{Addr: addr("192.0.0.2"), Resolved: true}},
		{"192.0.513", question.Host{Addr: addr("192.0.2.1"), Resolved: true}},
		{"0x7f.1", question.Host{Addr: addr("127.0.0.1"), Resolved: true}},
		{"0300.0.02.010", question.Host{Addr: addr("192.0.2.8"), Resolved: true}},
		{"4294967295", question.Host{Addr: addr("255.255.255.255"), Resolved: true}},
	}
	for _, tt := range tests {
		if got, err := question.Hosts(context.Background(), tt.word); err != nil || !slices.Equal(got, []question.Host{tt.want}) {
			t.Errorf("%s: got %v, %v", tt.word, got, err)
		}
	}
	for _, word := range []string{"", "10.0.0.0/8", "[2001:db8::7]", "a@b", "*.example.net", "#"} {
		if got, err := question.Hosts(context.Background(), word); !errors.Is(err, question.ErrNotFound) {
			t.Errorf("%q: got %v, %v", word, got, err)
		}
	}
}

func TestAnswerIsTheNameGiven(t *testing.T) {
	tests := []struct {
		name string
		want acl.Answer
	}{
		{"", acl.Answer{}},
		{"unknown", acl.Answer{}},
		{"paranoid", acl.Answer{Status: acl.Forged}},
		{"one.example.net", acl.Answer{Status: acl.Found, Text: "one.example.net"}},
	}
	for _, tt := range tests {
		if got := (question.Host{Name: tt.name}).Answer(); got != tt.want {
			t.Errorf("%q: got %v", tt.name, got)
		}
	}
}

// Whatever was typed, nothing of it is lost, and a part that is missing is
// unknown.
func FuzzParse(f *testing.F) {
	for _, words := range [][2]string{{"smtp", "192.0.2.7"}, {"smtp@192.0.2.1", "joe@mx.example.net"}, {"@", "@"}, {"a@b@c", "d@e@f"}, {"", ""}} {
		f.Add(words[0], words[1])
	}
	f.Fuzz(func(t *testing.T, daemon, client string) {
		q := question.Parse(daemon, client)
		if got := q.Daemon + "@" + q.Server; got != daemon && (q.Daemon != daemon || q.Server != acl.UnknownName) {
			t.Errorf("%q became %q at %q", daemon, q.Daemon, q.Server)
		}
		if got := q.User + "@" + q.Client; got != client && (q.User != acl.UnknownName || q.Client != client && "@"+q.Client != client) {
			t.Errorf("%q became %q at %q", client, q.User, q.Client)
		}
	})
}
