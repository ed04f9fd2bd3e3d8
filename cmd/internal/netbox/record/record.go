// Package record holds recorded connections: what a client did, what the
// server was, and everything that could be seen from outside when it was the
// original program. It reads a corpus of them and compares a [Case] with the
// [Result] of a replay, field by field.
//
// A corpus is a file with one JSON object on each line. Strings that hold the
// bytes of a program are latin-1 views: one code point for each byte
// ([Bytes], [Text]). The package does no I/O but to read a corpus, and knows
// nothing of namespaces: see doorward/cmd/internal/netbox for those.
package record

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
)

// A Case is one recorded connection. Its fields are those of the corpus.
type Case struct {
	ID   string `json:"id"`
	Tag  string `json:"tag"`
	Kind string `json:"kind"` // "tcpd", "tcpenv", "inetd" or "tcpserver"; no corpus has "xinetd"

	// The server: a program started for the connection, or the arguments of
	// tcpserver, which accepts for itself. A real xinetd reads
	// /etc/xinetd.conf. Of both, the program is the daemon to look at.
	Program     Program           `json:"program"`
	Args        []string          `json:"args,omitempty"`
	Env         map[string]string `json:"env"`
	Stdin       string            `json:"stdin,omitempty"`  // "", "pipe", "null", "unix", "udp"
	Listen      string            `json:"listen,omitempty"` // "dual": IPv4 peers are mapped
	Connections int               `json:"connections,omitempty"`

	// The client.
	Client    Endpoint `json:"client"`
	Server    Endpoint `json:"server"`
	Input     string   `json:"input"`
	HalfClose bool     `json:"half_close,omitempty"`
	ClientUID int      `json:"client_uid,omitempty"`
	Timeout   float64  `json:"client_timeout,omitempty"` // seconds; 0 means 30
	Settle    float64  `json:"settle,omitempty"`         // seconds to wait before looking

	// The world around both.
	Allow    *string           `json:"allow"` // nil: no such file
	Deny     *string           `json:"deny"`
	Hosts    *string           `json:"hosts"` // nil: localhost only
	HostConf *string           `json:"hostconf,omitempty"`
	Netgroup *string           `json:"netgroup,omitempty"`
	DNS      *Zone             `json:"dns"` // nil: nobody listens
	Ident    *Ident            `json:"ident,omitempty"`
	Oidentd  bool              `json:"oidentd,omitempty"`
	Programs []string          `json:"programs,omitempty"`
	Files    map[string]string `json:"files,omitempty"`
	Modes    map[string]any    `json:"modes,omitempty"`
	Rules    *string           `json:"rules,omitempty"` // source of /srv/cf/rules.cdb
	PIDInEnv bool              `json:"pid_in_env,omitempty"`
	WantDNS  bool              `json:"want_dns,omitempty"`
	Expect   Expect            `json:"expect"`
}

// Program is an executable and the argument vector it is given.
type Program struct {
	File string   `json:"file"`
	Argv []string `json:"argv"`
}

// Endpoint is one end of the connection.
type Endpoint struct {
	Addr string `json:"addr"`
	Port int    `json:"port"`
}

// Ident is what the client's host answers on port 113. In Reply, {R} and {L}
// stand for the ports of the query; nil never answers.
type Ident struct {
	Reply *string `json:"reply"`
	Delay float64 `json:"delay,omitempty"` // seconds
}

// Zone is everything the only DNS server knows. A value is a list of data, or
// one of the words SERVFAIL, REFUSED and DROP; any other name does not exist.
type Zone struct {
	PTR   map[string]any `json:"ptr,omitempty"`   // by address
	A     map[string]any `json:"a,omitempty"`     // by name; A and AAAA
	TXT   map[string]any `json:"txt,omitempty"`   // by name; a datum may be a list of strings
	CNAME map[string]any `json:"cname,omitempty"` // by name
}

// Expect is what the original program did.
type Expect struct {
	Outcome  string            `json:"outcome,omitempty"`
	Exit     int               `json:"exit"`
	Received string            `json:"received"`
	Seconds  float64           `json:"seconds,omitempty"` // rounded; 0: less than half
	Syslog   [][2]string       `json:"syslog"`
	OutFiles map[string]string `json:"out_files,omitempty"`
	Ident    []string          `json:"ident_queries,omitempty"`
	DNS      *[][2]string      `json:"dns_queries,omitempty"` // nil: not recorded
	Stderr   *string           `json:"stderr,omitempty"`
	Stdout   *string           `json:"stdout,omitempty"`
	Daemon                     // what the executed program saw; no Argv: it was not executed
}

// Daemon is what an executed program finds when it starts.
type Daemon struct {
	Argv      []string          `json:"argv,omitempty"`
	Env       map[string]string `json:"env,omitempty"`
	UID       int               `json:"uid"`
	GID       int               `json:"gid"`
	Groups    []int             `json:"groups"`
	Umask     string            `json:"umask"`
	Nice      int               `json:"nice"`
	Keepalive int               `json:"keepalive"`
	Linger    [2]int            `json:"linger"`
	NoDelay   int               `json:"nodelay"`
}

// Dump is a [Daemon] and what the corpus does not record: the descriptors that
// were open, those of them that do not block, the process id, and names that
// occur twice in the environment.
type Dump struct {
	Daemon
	PID       int      `json:"pid"`
	Open      []int    `json:"open"`
	NonBlock  []int    `json:"nonblock,omitempty"`
	Twice     []string `json:"twice,omitempty"`
	Directory string   `json:"cwd"`
}

// Result is what a replay saw. Error is not empty if the replay itself went
// wrong; then nothing else counts.
type Result struct {
	ID       string
	Error    string
	Exit     int // minus the signal, if one ended the program
	Received string
	Seconds  float64
	Syslog   [][2]string
	OutFiles map[string]string
	Ident    []string
	DNS      [][2]string
	Stderr   string
	Stdout   string
	Others   []string // what the connections before the last one received
	Dump     *Dump
	Seen     *Seen // of the daemon to look at
}

// Outcome names what became of the connection, as the corpus does.
func (r *Result) Outcome() string {
	switch {
	case r.Dump != nil:
		return "executed"
	case r.logged(": refused connect from "):
		return "refused"
	case r.logged(": error: cannot execute "):
		return "exec-failed"
	case r.logged(": twist "):
		return "twisted"
	}
	return "exit"
}

// Read reads the corpus in file.
func Read(file string) ([]*Case, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()

	var cases []*Case
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for n := 1; s.Scan(); n++ {
		c := new(Case)
		if err := json.Unmarshal(s.Bytes(), c); err != nil {
			return nil, fmt.Errorf("%s:%d: %v", file, n, err)
		}
		cases = append(cases, c)
	}
	return cases, s.Err()
}

// Bytes returns the bytes of which s is the latin-1 view. A code point above
// 255 stands for its UTF-8 encoding.
func Bytes(s string) []byte {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r <= 0xff {
			b = append(b, byte(r))
		} else {
			b = append(b, string(r)...)
		}
	}
	return b
}

// Text returns the latin-1 view of b.
func Text(b []byte) string {
	r := make([]rune, len(b))
	for i, c := range b {
		r[i] = rune(c)
	}
	return string(r)
}

// Clone returns a copy of e that shares nothing with it.
func (e *Expect) Clone() Expect {
	c := *e
	c.Syslog = slices.Clone(e.Syslog)
	c.OutFiles, c.Env = maps.Clone(e.OutFiles), maps.Clone(e.Env)
	c.Ident, c.Argv, c.Groups = slices.Clone(e.Ident), slices.Clone(e.Argv), slices.Clone(e.Groups)
	if e.DNS != nil {
		dns := slices.Clone(*e.DNS)
		c.DNS = &dns
	}
	return c
}
