package main

import (
	"doorward/launcher/servicelog"
	"doorward/launcher/xinetd"
)

// logOf says where a service has its own log, beside doorward's, and what is
// in it.
func (s *superserver) logOf(service *xinetd.Service) servicelog.Config {
	c := servicelog.Config{
		File:     service.Log.File,
		Soft:     service.Log.Soft,
		Hard:     service.Log.Hard,
		Syslog:   service.Log.Syslog,
		Priority: service.Log.Priority,
		Success:  parts(service.LogSuccess),
		Failure:  parts(service.LogFailure),
		Hosts:    []string{s.hostsAllow, s.hostsDeny},
	}
	if service.Flags&xinetd.IDOnly != 0 {
		c.IDOnly = service.At("flags")
	}
	return c
}

func parts(words []string) (p servicelog.Parts) {
	for _, w := range words {
		p |= logParts[w]
	}
	return p
}

var logParts = map[string]servicelog.Parts{
	"ATTEMPT":  servicelog.Attempt,
	"DURATION": servicelog.Duration,
	"EXIT":     servicelog.Exit,
	"HOST":     servicelog.Host,
	"PID":      servicelog.PID,
	"USERID":   servicelog.UserID,
}
