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
			left := leaver{make(chan bool)}
			c.Watch(left)
			<-left.exited
		}
		again := Adopt(c.PID)
		time.AfterFunc(20*time.Millisecond, func() { client.Close() })
		if status, err := again.Wait(); err != nil || status.ExitStatus() != 3 {
			t.Errorf("%s: got %v, %v", command, status, err)
		}
		if again.Kill(unix.SIGTERM) == nil {
			t.Error("a child that has been waited for can be killed")
		}
	}
}

// A leaver leaves a program that has ended to somebody else.
type leaver struct{ exited chan bool }

func (l leaver) Exited() bool        { close(l.exited); return false }
func (l leaver) Ended(Status, error) { panic("waited for") }

// A program that was left as it is can be watched again.
func TestWatchAgain(t *testing.T) {
	cs, wake := sleepers(t, 1)
	left := leaver{make(chan bool)}
	cs[0].Watch(left)
	wake()
	<-left.exited
	if status, err := cs[0].Wait(); err != nil || status != 0 {
		t.Errorf("got %v, %v", status, err)
	}
}

func TestAdoptWhatIsNoChild(t *testing.T) {
	if _, err := Adopt(1).Wait(); err == nil {
		t.Error("waited for init")
	}
}
