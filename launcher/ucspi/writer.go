package ucspi

import (
	"strconv"
	"strings"
	"sync"

	"doorward/acl"
)

// A writer gathers NAME=VALUE strings in one buffer. Writers are used again, so
// that a connection costs two allocations, however many variables it has.
type writer struct {
	buf   []byte
	ends  [48]int // where in buf each of the first n strings ends
	n     int
	more  []int        // the same for those beyond
	set   []acl.Setenv // overrides what begin would begin
	twins bool         // write TCP6* as well
}

var writers = sync.Pool{New: func() any { return new(writer) }}

// release has w used again, with its buffers and nothing else.
func (w *writer) release() {
	*w = writer{buf: w.buf[:0], more: w.more[:0]}
	writers.Put(w)
}

// begin begins the variable whose name is the three parts, unless set has a
// say about it.
func (w *writer) begin(family, side, what string) bool {
	start := len(w.buf)
	w.buf = append(append(append(w.buf, family...), side...), what...)
	for i := range w.set {
		if w.set[i].Name == string(w.buf[start:]) {
			w.buf = w.buf[:start]
			return false
		}
	}
	w.buf = append(w.buf, '=')
	return true
}

// finish ends the variable that begin began.
func (w *writer) finish() {
	if w.n < len(w.ends) {
		w.ends[w.n] = len(w.buf)
	} else {
		w.more = append(w.more, len(w.buf))
	}
	w.n++
}

func (w *writer) add(name, value string) {
	if w.begin(name, "", "") {
		w.buf = append(w.buf, value...)
		w.finish()
	}
}

func (w *writer) port(family, side string, port uint16) {
	if w.begin(family, side, "PORT") {
		w.buf = strconv.AppendUint(w.buf, uint64(port), 10)
		w.finish()
	}
}

// both writes a variable and, where twins are wanted, its twin.
func (w *writer) both(what, value string) {
	if w.begin("TCP", what, "") {
		w.buf = append(w.buf, value...)
		w.finish()
	}
	if w.twins && w.begin("TCP6", what, "") {
		w.buf = append(w.buf, value...)
		w.finish()
	}
}

// settings writes what the rules set, of each name the last.
func (w *writer) settings() {
	for i, e := range w.set {
		if e.Unset || named(w.set[i+1:], e.Name) {
			continue
		}
		w.buf = append(append(append(w.buf, e.Name...), '='), e.Value...)
		w.finish()
	}
}

// environ returns base without what was written or is about a connection,
// and after it what was written.
func (w *writer) environ(base []string, dropRelay bool) []string {
	env := make([]string, 0, len(base)+w.n)
	for _, kv := range base {
		name, _, _ := strings.Cut(kv, "=")
		if about(name) || dropRelay && name == "RELAYCLIENT" || named(w.set, name) {
			continue
		}
		env = append(env, kv)
	}
	all, start := string(w.buf), 0
	for i := range w.n {
		end := w.end(i)
		env = append(env, all[start:end])
		start = end
	}
	return env
}

func (w *writer) end(i int) int {
	if i < len(w.ends) {
		return w.ends[i]
	}
	return w.more[i-len(w.ends)]
}

func named(set []acl.Setenv, name string) bool {
	for i := range set {
		if set[i].Name == name {
			return true
		}
	}
	return false
}

// about reports whether name is a variable of tcp-environ(5) or a twin.
func about(name string) bool {
	rest, tcp := strings.CutPrefix(name, "TCP")
	if !tcp {
		return name == "PROTO"
	}
	rest = strings.TrimPrefix(rest, "6")
	switch rest {
	case "LOCALIP", "LOCALPORT", "LOCALHOST",
		"REMOTEIP", "REMOTEPORT", "REMOTEHOST", "REMOTEINFO":
		return true
	}
	return name == "TCP6INTERFACE"
}
