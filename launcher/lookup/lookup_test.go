package lookup_test

import (
	"context"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"doorward/acl"
	"doorward/launcher/lookup"
)

// sleeper takes its time and then answers, unless its context ends first.
func sleeper(d time.Duration) lookup.Finder {
	return func(ctx context.Context, _ *acl.Request, arg string) acl.Answer {
		select {
		case <-time.After(d):
			return acl.Answer{Status: acl.Found, Text: arg}
		case <-ctx.Done():
			return acl.Answer{}
		}
	}
}

func TestAttachBoundsEachFactAndAll(t *testing.T) {
	tests := []struct {
		what         string
		takes, limit time.Duration
		all          time.Duration // of the context; 0: no end
		want         acl.Status
		took         time.Duration // for two facts
	}{
		{"in time", 2 * time.Second, 3 * time.Second, 0, acl.Found, 4 * time.Second},
		{"each too long", 4 * time.Second, 3 * time.Second, 0, acl.Unknown, 6 * time.Second},
		{"no limit", time.Hour, 0, 0, acl.Found, 2 * time.Hour},
		{"both together too long", 4 * time.Second, 5 * time.Second, 6 * time.Second, acl.Unknown, 6 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := context.Background()
				if tt.all > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.all)
					defer cancel()
				}
				r := new(acl.Request)
				lookup.Finders{acl.Listed: sleeper(tt.takes)}.Attach(ctx, r, tt.limit)
				start := time.Now()
				r.Get(acl.Listed, "one.example")
				got := r.Get(acl.Listed, "two.example")
				if took := time.Since(start); got.Status != tt.want || took != tt.took {
					t.Errorf("got %v after %v, want status %v after %v", got, took, tt.want, tt.took)
				}
			})
		})
	}
}

func TestAttachAsksOnceAndOnlyWhenAsked(t *testing.T) {
	calls := 0
	r := new(acl.Request)
	lookup.Finders{acl.Name: func(context.Context, *acl.Request, string) acl.Answer {
		calls++
		return acl.Answer{Status: acl.Absent}
	}}.Attach(context.Background(), r, time.Second)
	if calls != 0 {
		t.Error("asked before anybody wanted to know")
	}
	r.Get(acl.Name, "")
	r.Get(acl.Name, "")
	if calls != 1 {
		t.Errorf("asked %d times", calls)
	}
	if a := r.Get(acl.Ident, ""); a != (acl.Answer{}) {
		t.Errorf("a kind without a finder: %v", a)
	}
}

func TestTraced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var facts []acl.Fact
		fs := lookup.Finders{acl.Listed: sleeper(3 * time.Second)}.Traced(func(f acl.Fact, a acl.Answer, d time.Duration) {
			facts = append(facts, f)
			if a.Text != "one.example" || d != 3*time.Second {
				t.Errorf("traced %v after %v", a, d)
			}
		})
		r := new(acl.Request)
		fs.Attach(context.Background(), r, 0)
		r.Get(acl.Listed, "one.example")
		r.Get(acl.Listed, "one.example")
		if want := []acl.Fact{{Kind: acl.Listed, Arg: "one.example"}}; !slices.Equal(facts, want) {
			t.Errorf("traced %v, want %v", facts, want)
		}
	})
}

// Commands that are started for every connection link this package: what
// takes long to start stays out of it.
func TestImportsAreLean(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs go")
	}
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	heavy := []string{"net/http", "crypto/tls", "log/slog", "encoding/json", "os/exec", "os/user"}
	for _, dep := range strings.Fields(string(out)) {
		if slices.Contains(heavy, dep) || strings.Contains(dep, "fsnotify") || strings.Contains(dep, "go-systemd") {
			t.Errorf("imports %s", dep)
		}
	}
}
