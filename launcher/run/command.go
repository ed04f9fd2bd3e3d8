package run

import (
	"fmt"
	"syscall"
	"time"
)

// shell returns command as a program for the shell, run by whoever runs
// h.Program.
func (h *Handover) shell(command string) Program {
	p := h.Program
	p.Path, p.Argv, p.Stderr = "/bin/sh", []string{"sh", "-c", command}, 0
	return p
}

// spawn runs a command beside the program, and waits for it. What becomes of
// it makes no difference to the client.
func (h *Handover) spawn(command string, env []string) error {
	if _, err := h.run(command, env); err != nil {
		h.warn(err)
	}
	return nil
}

// aclexec lets a command decide: anything but success keeps the client out.
// libwrap goes on with the other table then, which may let the client in, and
// gives the command the connection for its descriptors, against its own manual.
func (h *Handover) aclexec(command string, env []string) error {
	status, err := h.run(command, env)
	if err != nil {
		h.warn(err)
		return ErrRefused
	}
	if status != 0 {
		return ErrRefused
	}
	return nil
}

// run runs a command with /dev/null for its descriptors, and kills it and
// whatever it started when its time is up.
func (h *Handover) run(command string, env []string) (Status, error) {
	p := h.shell(command)
	p.Null = true
	p.Setsid = p.Setsid || h.Limit > 0 // a group to kill
	c, err := p.Start(-1, env)
	if err != nil {
		return 0, err
	}
	if h.Limit > 0 {
		defer time.AfterFunc(h.Limit, func() { c.KillGroup(syscall.SIGKILL) }).Stop()
	}
	status, err := c.Wait()
	if status.Signaled() {
		h.warn(fmt.Errorf("process %d exited with signal %d", c.PID, status.Signal()))
	}
	return status, err
}
