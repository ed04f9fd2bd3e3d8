package run

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A child can be waited for by whoever knows its number and that nobody has
// waited for it, while it runs and after it has ended.
func TestAdopt(t *testing.T) {
	for _, command := range []string{"exit 3", "read line; exit 3"} {
		fd, client := connection()
		p := Program{Path: "/bin/sh", Argv: []string{"sh", "-c", command}}
		c, err := p.Start(fd, nil)
		unix.Close(fd)
		if err != nil {
			t.Fatal(err)
		}
		if command == "exit 3" {
			c.Exited()
		}
		again := Adopt(c.PID)
		time.AfterFunc(20*time.Millisecond, func() { client.Close() })
		again.Exited()
		if status, err := again.Wait(); err != nil || status.ExitStatus() != 3 {
			t.Errorf("%s: got %v, %v", command, status, err)
		}
		if again.Kill(unix.SIGTERM) == nil {
			t.Error("a child that has been waited for can be killed")
		}
	}
}

func TestAdoptWhatIsNoChild(t *testing.T) {
	if _, err := Adopt(1).Wait(); err == nil {
		t.Error("waited for init")
	}
}
