package launcher

import (
	"time"

	"doorward/acl"
	"doorward/launcher/banner"
	"doorward/launcher/journal"
	"doorward/launcher/run"
)

// Banners are files whose text a client is sent as it stands, as xinetd does:
// first Always, then, once it is decided, Success or Fail. They are read anew
// for each client. The zero Banners are none.
//
// A banner that the service's user may not read is not sent (package banner).
// One that cannot be sent keeps nobody out; the journal hears of it.
type Banners struct {
	Always  string // to every client
	Success string // to one that is let in
	Fail    string // to one that is kept out, by a rule, a condition or a limit; not if there is a reply

	// Reader is who must be able to read the files; nil: this process.
	Reader *run.Credential
}

// send sends a banner, by the deadline or not all of it. What went wrong with
// the file is a note; what the client did is its own affair.
func (b *Banners) send(fd int, file string, deadline time.Time, e *journal.Event) {
	if file == "" {
		return
	}
	text, err := banner.Read(file, b.Reader)
	if err != nil {
		e.Notes = append(e.Notes, acl.Note{Pos: e.Rule, Text: "banner " + file + " not sent: " + err.Error()})
		return
	}
	run.Send(fd, text, deadline)
}
