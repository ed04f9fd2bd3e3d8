package main

import (
	"errors"
	"os"
	"strconv"
	"syscall"

	"doorward/acl"
	"doorward/launcher/run"
	"doorward/launcher/syslog"
)

// A log writes tcpd's lines to the system log.
type log struct {
	w syslog.Writer

	allowed, refused syslog.Priority // what lines about the client are logged with
}

func newLog(daemon string) log {
	return log{
		w:       syslog.Writer{Tag: daemon, PID: os.Getpid()},
		allowed: syslog.Daemon | syslog.Info,
		refused: syslog.Daemon | syslog.Warning,
	}
}

// severity changes what lines about the client are logged with, if a rule said
// so.
func (l *log) severity(word string) {
	if word == "" {
		return
	}
	if p, err := l.allowed.With(word); err == nil { // the rules have been checked for it
		l.allowed, l.refused = p, p
	}
}

func (l *log) allow(text string)  { l.w.Write(l.allowed, text) }
func (l *log) refuse(text string) { l.w.Write(l.refused, text) }

func (l *log) notes(lists ...[]acl.Note) {
	for _, list := range lists {
		for _, n := range list {
			l.note(n)
		}
	}
}

// note writes about a rule, in the words of tcp_wrappers.
func (l *log) note(n acl.Note) {
	text := "warning: "
	if n.Err {
		text = "error: "
	}
	if n.Pos != (acl.Pos{}) {
		text += n.Pos.File + ", line " + strconv.Itoa(n.Pos.Line) + ": "
	}
	l.w.Write(syslog.Daemon|syslog.Err, text+n.Text)
}

// stopped writes why the options of a rule were not carried out to the end.
func (l *log) stopped(rule acl.Pos, err error) {
	var option *run.OptionError
	switch {
	case err == run.ErrRefused:
		l.w.Write(syslog.Daemon|syslog.Info, "aclexec returned 1") // whatever it returned
	case errors.As(err, &option):
		l.note(acl.Note{Pos: rule, Err: true, Text: option.Err.Error()})
	}
}

// stranger writes that nobody knows who is at the other end.
func (l *log) stranger(err error) {
	why := reason(err).Error()
	l.note(acl.Note{Text: "can't get client address: " + why})
	l.w.Write(syslog.Daemon|syslog.Err, "getpeername: "+why)
}

func (l *log) failed(path string, err error) {
	l.w.Write(syslog.Daemon|syslog.Err, "error: cannot execute "+path+": "+reason(err).Error())
}

// words is an errno in the words of strerror(3), where Go says it in lower
// case.
type words syscall.Errno

func (w words) Error() string {
	text := syscall.Errno(w).Error()
	return string(text[0]&^0x20) + text[1:]
}
