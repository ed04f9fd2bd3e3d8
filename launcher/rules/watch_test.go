package rules_test

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"doorward/launcher/rules"
)

// Every way in which files are changed in practice is noticed, and again the
// next time.
func TestWatcherNotices(t *testing.T) {
	tests := []struct {
		name   string
		set    func(t *testing.T, dir string) (file string)
		change func(t *testing.T, dir, content string)
	}{
		{"a file written in place", plain, func(t *testing.T, dir, s string) {
			write(t, dir+"/a", s)
		}},
		{"a file replaced by rename", plain, func(t *testing.T, dir, s string) {
			write(t, dir+"/.a.tmp", s)
			rename(t, dir+"/.a.tmp", dir+"/a")
		}},
		{"an editor that moves the old file away first", plain, func(t *testing.T, dir, s string) {
			rename(t, dir+"/a", dir+"/a~")
			write(t, dir+"/a", s)
			remove(t, dir+"/a~")
		}},
		{"a file that appears", func(t *testing.T, dir string) string { return dir + "/sub/deeper/a" },
			func(t *testing.T, dir, s string) {
				os.RemoveAll(dir + "/sub")
				os.MkdirAll(dir+"/sub/deeper", 0o755)
				write(t, dir+"/sub/deeper/a", s)
			}},
		{"a ConfigMap whose ..data link is swapped", configMap, func(t *testing.T, dir, s string) {
			version := filepath.Join(dir, "..v"+s)
			os.Mkdir(version, 0o755)
			write(t, version+"/a", s)
			link(t, filepath.Base(version), dir+"/..data_tmp")
			rename(t, dir+"/..data_tmp", dir+"/..data")
		}},
		{"a directory that is replaced", func(t *testing.T, dir string) string {
			os.Mkdir(dir+"/conf.d", 0o755)
			write(t, dir+"/conf.d/a", "0")
			return dir + "/conf.d/a"
		}, func(t *testing.T, dir, s string) {
			os.Mkdir(dir+"/new", 0o755)
			write(t, dir+"/new/a", s)
			rename(t, dir+"/conf.d", dir+"/old"+s)
			rename(t, dir+"/new", dir+"/conf.d")
		}},
		{"a link to a directory that is switched", func(t *testing.T, dir string) string {
			os.Mkdir(dir+"/v0", 0o755)
			write(t, dir+"/v0/a", "0")
			link(t, "v0", dir+"/current")
			return dir + "/current/a"
		}, func(t *testing.T, dir, s string) {
			os.Mkdir(dir+"/v"+s, 0o755)
			write(t, dir+"/v"+s+"/a", s)
			link(t, "v"+s, dir+"/tmp")
			rename(t, dir+"/tmp", dir+"/current")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := tt.set(t, dir)
			seen := watch(t, file)
			for _, content := range []string{"1", "2", "3"} {
				tt.change(t, dir, content)
				wait(t, seen, content)
			}
		})
	}
}

// Without inotify the watcher still notices, by looking.
func TestWatcherPolls(t *testing.T) {
	dir := t.TempDir()
	file := plain(t, dir)
	var seen atomic.Value
	w := rules.Watcher{
		Files:   func() []string { return []string{file} },
		Changed: func() { b, _ := os.ReadFile(file); seen.Store(string(b)) },
		Warn:    func(err error) { t.Error(err) },
		Settle:  time.Hour, Latest: time.Hour, // events alone would take that long
		Poll: 20 * time.Millisecond,
	}
	run(t, &w)
	wait(t, &seen, "0")
	write(t, file, "11")
	wait(t, &seen, "11")
}

// A storm of changes does not keep the watcher from looking.
func TestWatcherDoesNotStarve(t *testing.T) {
	dir := t.TempDir()
	file := plain(t, dir)
	seen := watch(t, file)
	wait(t, seen, "0")
	stop := time.Now().Add(1500 * time.Millisecond)
	write(t, file, "storm")
	for time.Now().Before(stop) {
		write(t, dir+"/other", "x")
		time.Sleep(5 * time.Millisecond)
		if seen.Load() == "storm" {
			return
		}
	}
	t.Error("not noticed while another file kept changing")
}

func watch(t *testing.T, file string) *atomic.Value {
	var seen atomic.Value
	run(t, &rules.Watcher{
		Files:   func() []string { return []string{file} },
		Changed: func() { b, _ := os.ReadFile(file); seen.Store(string(b)) },
		Warn:    func(err error) { t.Error(err) },
		Settle:  20 * time.Millisecond,
		Poll:    time.Hour,
	})
	for seen.Load() == nil {
		time.Sleep(time.Millisecond)
	}
	return &seen
}

func run(t *testing.T, w *rules.Watcher) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); w.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

func wait(t *testing.T, seen *atomic.Value, want string) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if seen.Load() == want {
			return
		}
	}
	t.Fatalf("got %q after 5 s, want %q", seen.Load(), want)
}

func plain(t *testing.T, dir string) string {
	write(t, dir+"/a", "0")
	return dir + "/a"
}

func configMap(t *testing.T, dir string) string {
	os.Mkdir(dir+"/..v0", 0o755)
	write(t, dir+"/..v0/a", "0")
	link(t, "..v0", dir+"/..data")
	link(t, "..data/a", dir+"/a")
	return dir + "/a"
}

func write(t *testing.T, name, s string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(s), 0o644); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, name string) {
	t.Helper()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, target, name string) {
	t.Helper()
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
}
