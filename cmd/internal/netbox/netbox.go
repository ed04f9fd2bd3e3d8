//go:build linux

// Package netbox replays recorded connections: it asks whether our programs do
// to a client, a daemon, the log, the DNS and the ident server exactly what
// the originals did.
//
// A corpus of [record.Case]s says who connected to what, and what could be
// seen. A [Box] is a process in network, mount and process namespaces of its
// own in which a case is played for real: a client with the recorded address
// and port, a DNS server with the recorded zone, an ident server, /dev/log,
// /etc/hosts.allow. Several boxes work side by side, because most of the time
// of a corpus is waiting for time-outs. What the box saw is compared with the
// record field by field; where we differ by design, a [Design] says what we
// do instead, and the replay must show precisely that.
//
// The harness is itself on trial first: with DOORWARD_ORIGINALS=1 the
// installed originals are replayed, and they must do what is recorded of them.
//
// Boxes need root, and end with the process that started them.
package netbox

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"doorward/cmd/internal/netbox/record"
)

// A Program says where in the box a file is installed. If Package is set the
// file is built from it, else it is a file of this system.
type Program struct {
	Path    string // where the box has it
	Package string // of ours, such as "doorward/cmd/tcpd"
	File    string
}

// tools are the harness's own programs; the dumper is the daemon of all cases.
var tools = []Program{
	{Path: boxPath, Package: "doorward/cmd/internal/netbox/box"},
	{Path: "/srv/cf/bin/smtpd", Package: "doorward/cmd/internal/netbox/dump"},
}

const boxPath = "box"

// Build builds those of the programs that are ours into dir, statically, and
// returns them and the harness's tools as files. Commands that are in the
// directory DOORWARD_BIN, as they will be installed, are taken from there.
func Build(dir string, programs []Program) ([]Program, error) {
	all := append(append([]Program(nil), tools...), programs...)
	for i, p := range all {
		if p.Package == "" {
			continue
		}
		file, there := built(p.Package)
		if there {
			all[i].File = file
			continue
		}
		file = filepath.Join(dir, filepath.Base(p.Package))
		cmd := exec.Command("go", "build", "-o", file, p.Package)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("go build %s: %v\n%s", p.Package, err, out)
		}
		all[i].File = file
	}
	return all, nil
}

// built returns where a command is that has been built.
func built(pkg string) (file string, there bool) {
	bin := os.Getenv("DOORWARD_BIN")
	if bin == "" {
		return "", false
	}
	file = filepath.Join(bin, filepath.Base(pkg))
	_, err := os.Stat(file)
	return file, err == nil
}

// A Box is one process in namespaces of its own. It plays one case at a time.
type Box struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr bytes.Buffer
}

// Start starts a box with these programs, which [Build] returned.
func Start(programs []Program) (*Box, error) {
	b := new(Box)
	var args []string
	for _, p := range programs {
		if p.Path == boxPath {
			b.cmd = exec.Command(p.File)
			continue
		}
		args = append(args, p.Path+"="+p.File)
	}
	b.cmd.Args = append(b.cmd.Args, args...)
	b.cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
		Setpgid:    true, // an interrupt at the terminal is for the test
	}
	b.cmd.Stderr = &b.stderr
	in, err := b.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	b.in, b.out = in, bufio.NewReader(out)
	return b, b.cmd.Start()
}

// Replay plays c. After an error the box is of no use any more.
func (b *Box) Replay(c *record.Case) (*record.Result, error) {
	line, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	watchdog := time.AfterFunc(3*time.Minute, func() { b.cmd.Process.Kill() })
	defer watchdog.Stop()
	if _, err := b.in.Write(append(line, '\n')); err != nil {
		return nil, b.ended(err)
	}
	answer, err := b.out.ReadBytes('\n')
	if err != nil {
		return nil, b.ended(err)
	}
	r := new(record.Result)
	return r, json.Unmarshal(answer, r)
}

func (b *Box) ended(err error) error {
	b.Close()
	return fmt.Errorf("box: %v; %s", err, bytes.TrimSpace(b.stderr.Bytes()))
}

// Close ends the box and everything in it.
func (b *Box) Close() error {
	b.in.Close()
	b.cmd.Process.Kill()
	return b.cmd.Wait()
}
