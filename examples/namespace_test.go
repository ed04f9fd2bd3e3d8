package examples_test

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
)

// inNamespaces runs the calling test in a network, process and mount namespace
// of its own, and returns true there: /etc, /var and /usr/local can be written
// to, loopback has the addresses, and all that was started ends with the test.
// Outside, where it needs root, it returns false when the test inside is over.
func inNamespaces(t *testing.T, addresses ...string) bool {
	t.Helper()
	needs(t, "unshare", "ip", "mount")
	if os.Getenv(envInside) != t.Name() {
		again(t, "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
		return false
	}
	scratch := t.TempDir()
	must(t, "mount", "-t", "tmpfs", "scratch", scratch)
	t.Cleanup(func() { exec.Command("umount", "-l", scratch).Run() })
	for _, dir := range []string{"/etc", "/var", "/usr/local"} {
		upper, work := scratch+"/up"+dir, scratch+"/work"+dir
		must(t, "mkdir", "-p", upper, work)
		must(t, "mount", "-t", "overlay", "-o", "lowerdir="+dir+",upperdir="+upper+",workdir="+work, "overlay", dir)
	}
	must(t, "ip", "link", "set", "lo", "up")
	for _, a := range addresses {
		must(t, "ip", "address", "add", a, "dev", "lo", "nodad")
	}
	return true
}

// again runs the calling test once more, by way of a program that starts its
// arguments somewhere else, and takes its result over.
func again(t *testing.T, by ...string) {
	t.Helper()
	args := append(by[1:len(by):len(by)],
		"env", envInside+"="+t.Name(), envBin+"="+bin, envFiles+"="+files,
		self(t), "-test.run=^"+t.Name()+"$", "-test.v", "-test.count=1")
	out, err := exec.Command(by[0], args...).CombinedOutput()
	switch {
	case err != nil:
		t.Errorf("inside: %v\n%s", err, out)
	case strings.Contains(string(out), "--- SKIP"):
		t.Skipf("inside:\n%s", out)
	case !strings.Contains(string(out), "--- PASS: "+t.Name()+" "):
		t.Errorf("inside: did not run\n%s", out)
	default:
		t.Logf("inside:\n%s", out)
	}
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// must runs a command that has to succeed, and returns what it wrote.
func must(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = files
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return string(out)
}

// readme runs the indented lines of the README of an example that begin with
// the line first, as far as the paragraph goes, in a copy of its directory:
// what the text tells a reader to type is what the tests install by.
func readme(t *testing.T, example, first string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(files, example, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n    "+first)
	if !found {
		t.Fatalf("%s/README.md does not say %q", example, first)
	}
	block, _, _ := strings.Cut(first+rest, "\n\n")
	cmd := exec.Command("sh", "-ec", block)
	tree := t.TempDir() // as in a clone after "make build"
	cmd.Dir = filepath.Join(tree, "examples", example)
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	must(t, "ln", "-s", bin, filepath.Join(tree, "bin"))
	must(t, "mkdir", filepath.Join(tree, "examples"))
	must(t, "cp", "-R", filepath.Join(files, example), cmd.Dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s/README.md: %v\n%s\n%s", example, err, block, out)
	}
}

// write writes a file, and the directories it is in.
func write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// addUser makes a user with the id, where the machine has none of that name.
func addUser(t *testing.T, name, id string) {
	t.Helper()
	if _, err := user.Lookup(name); err == nil {
		return
	}
	must(t, "sh", "-c", "echo '"+name+":x:"+id+":"+id+"::/:/bin/sh' >>/etc/passwd; echo '"+name+":x:"+id+":' >>/etc/group")
}
