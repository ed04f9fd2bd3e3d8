//go:build linux

package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// commandTime is how long one command may take.
const commandTime = time.Minute

func serve() error {
	var o order
	if err := json.NewDecoder(os.Stdin).Decode(&o); err != nil {
		return err
	}
	if err := errors.Join(privateMounts(), privateEtc(o.Etc), privateDev(), LoopbackUp()); err != nil {
		return err
	}
	log, err := listen("/dev/log")
	if err != nil {
		return err
	}
	results := make([]Result, len(o.Commands))
	for i, c := range o.Commands {
		if results[i], err = play(c, log); err != nil {
			return fmt.Errorf("%q: %v", c.Args, err)
		}
	}
	return json.NewEncoder(os.Stdout).Encode(results)
}

// play runs one command. An exit status other than 0 is no error.
func play(c Command, log *syslog) (Result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	cmd.Dir, cmd.Env = c.Dir, append(os.Environ(), c.Env...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		return Result{}, err
	}
	heard, err := log.take()
	return Result{stdout.String(), stderr.String(), heard, cmd.ProcessState.ExitCode()}, err
}

// privateMounts keeps what is mounted here from the world outside.
func privateMounts() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") }

// kept are the files of /etc without which programs of the system do not run.
var kept = []string{"passwd", "group", "services", "protocols", "ld.so.cache", "localtime"}

func privateEtc(files map[string]string) error {
	all := map[string]string{}
	for _, name := range kept {
		if b, err := os.ReadFile(filepath.Join("/etc", name)); err == nil {
			all[name] = string(b)
		}
	}
	for name, text := range files {
		all[name] = text
	}
	if err := unix.Mount("tmpfs", "/etc", "tmpfs", 0, "mode=0755"); err != nil {
		return fmt.Errorf("mount /etc: %v", err)
	}
	for name, text := range all {
		if err := os.WriteFile(filepath.Join("/etc", name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// privateDev makes a /dev with room for a log socket.
func privateDev() error {
	const dir = "/etc/dev"
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"null", "urandom"} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, nil, 0o666); err != nil {
			return err
		}
		if err := unix.Mount("/dev/"+name, file, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind %s: %v", file, err)
		}
	}
	return unix.Mount(dir, "/dev", "", unix.MS_BIND|unix.MS_REC, "")
}

// LoopbackUp brings the interface lo of this thread's network up (netdevice(7)).
func LoopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}
