//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"doorward/cmd/internal/netbox/record"
)

var dumpLine = regexp.MustCompile(`@DUMP(\{.*?\})@\n`)

// takeDump returns what the dumper wrote somewhere in received, and received
// with a mark in its place.
func takeDump(received string) (string, *record.Dump, error) {
	m := dumpLine.FindStringSubmatchIndex(received)
	if m == nil {
		return received, nil, nil
	}
	d := new(record.Dump)
	if err := json.Unmarshal(record.Bytes(received[m[2]:m[3]]), d); err != nil {
		return "", nil, fmt.Errorf("dump %q: %v", received, err)
	}
	return received[:m[0]] + "@DUMP@\n" + received[m[1]:], d, nil
}

// hidePID puts PID for the process id of the daemon in its environment.
func hidePID(d *record.Dump) {
	for name, v := range d.Env {
		d.Env[name] = strings.ReplaceAll(v, strconv.Itoa(d.PID), "PID")
	}
}

var (
	serverPID = regexp.MustCompile(`(?m)^(tcpserver: (?:pid|ok|deny|end)) (\d+)`)
	otherPID  = regexp.MustCompile(`pid \d+`)
)

// numberPIDs puts PID1, PID2 ... for the process ids in the log of a
// tcpserver, in order of appearance, and PID for those of other programs.
func numberPIDs(stderr string) string {
	number := make(map[string]string)
	stderr = serverPID.ReplaceAllStringFunc(stderr, func(s string) string {
		m := serverPID.FindStringSubmatch(s)
		if number[m[2]] == "" {
			number[m[2]] = fmt.Sprintf("PID%d", len(number)+1)
		}
		return m[1] + " " + number[m[2]]
	})
	return otherPID.ReplaceAllString(stderr, "pid PID")
}
