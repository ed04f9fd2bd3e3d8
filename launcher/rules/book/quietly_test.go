package book_test

import (
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"

	"doorward/launcher/rules/book"
)

// A reload ends with a collection that takes the old rules, and leaves the
// collector as it was; one that finds nothing new does not trouble it.
func TestReloadCollectsTheOldRules(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(77))
	file := filepath.Join(t.TempDir(), "rules")
	b := &book.Book{}
	tests := []struct {
		name, text string
		collects   bool
	}{
		{"nothing new", "192.0.2.7:deny\n", false},
		{"another rule", "192.0.2.8:deny\n", true},
		{"a mistake", "192.0.2.9\n", true},
	}
	write(t, file, tests[0].text)
	if _, err := b.Policy("tcprules:" + file); err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		write(t, file, tt.text)
		before := collections()
		b.Reload()
		if after := collections(); (after > before) != tt.collects {
			t.Errorf("%s: %d collections, want some: %v", tt.name, after-before, tt.collects)
		}
		if now := debug.SetGCPercent(77); now != 77 {
			t.Errorf("%s: the target is %d%% afterwards, was 77%%", tt.name, now)
		}
	}
}

// collections counts those that were asked for: others come when they come.
func collections() uint32 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.NumForcedGC
}
