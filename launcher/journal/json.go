package journal

import (
	"encoding/json"
	"io"
	"sync"
	"time"
)

// A record is an Event as JSON has it. Field names are part of doorward's
// interface: programs read them.
type record struct {
	Time    time.Time `json:"time"`
	Event   string    `json:"event"`
	Service string    `json:"service"`
	Proto   string    `json:"protocol,omitempty"` // udp, or left out
	Remote  string    `json:"remote,omitempty"`
	Local   string    `json:"local,omitempty"`
	Name    string    `json:"name,omitempty"`
	User    string    `json:"user,omitempty"`
	Rule    string    `json:"rule,omitempty"`
	Relay   bool      `json:"relay,omitempty"`
	PID     int       `json:"pid,omitempty"`
	Outcome string    `json:"outcome,omitempty"`
	Seconds float64   `json:"seconds,omitempty"`
	Running int       `json:"running,omitempty"`
	Error   string    `json:"error,omitempty"`
	Notes   []string  `json:"notes,omitempty"`
	Text    string    `json:"text,omitempty"`

	Reply    string    `json:"reply,omitempty"`
	Attempts []Attempt `json:"attempts,omitempty"`
}

// JSON writes one JSON object a line and an event, every event included. Keys
// without a value are left out.
func JSON(w io.Writer) Sink {
	var mu sync.Mutex
	enc := json.NewEncoder(w)
	return func(e Event) {
		r := recordOf(&e)
		mu.Lock()
		defer mu.Unlock()
		enc.Encode(r) // one Write; nowhere to report a log that cannot be written
	}
}

func recordOf(e *Event) record {
	r := record{Time: e.Time, Event: e.Kind.String(), Service: e.Service, Name: clip(e.Name), User: clip(e.User),
		Relay: e.Relay, PID: e.PID, Running: e.Running, Seconds: e.Duration.Seconds(), Text: clip(e.Text),
		Reply: clip(e.Reply), Attempts: e.Attempts}
	if e.Datagram {
		r.Proto = "udp"
	}
	if e.Remote.IsValid() {
		r.Remote = e.Remote.String()
	}
	if e.Local.IsValid() {
		r.Local = e.Local.String()
	}
	switch e.Kind {
	case Started, Ended, Denied, Failed, Replaced:
		r.Rule = e.Rule.String()
	}
	if e.Kind == Ended && e.PID != 0 {
		r.Outcome = Outcome(e.Status)
	}
	if e.Err != nil {
		r.Error = clip(e.Err.Error())
	}
	if e.Kind != Ended {
		for _, n := range e.Notes {
			r.Notes = append(r.Notes, clip(n.String()))
		}
	}
	return r
}

// clip bounds a field; encoding/json escapes it.
func clip(s string) string {
	if len(s) > maxField {
		return s[:maxField] + "..."
	}
	return s
}
