//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"
)

// articleSMTP is the mail server of the classic article: tcpd looks a client
// up in hosts.allow, tcp-env names it, and who has RELAYCLIENT may relay.
const articleSMTP = `service smtp
{
	type        = UNLISTED
	port        = 25
	socket_type = stream
	protocol    = tcp
	wait        = no
	user        = daemon
	flags       = NAMEINARGS REUSE IPv4
	env         = QMAILHOME=DIR/mail QMAILQUEUE=DIR/queue
	server      = /usr/sbin/tcpd
	server_args = DIR/tcp-env /usr/sbin/smtpfront-qmail
}
`

// ownSMTP is the same service without tcpd and tcp-env.
const ownSMTP = `service smtp
{
	type        = UNLISTED
	port        = 25
	socket_type = stream
	protocol    = tcp
	wait        = no
	user        = daemon
	flags       = NOLIBWRAP REUSE IPv4
	env         = QMAILHOME=DIR/mail QMAILQUEUE=DIR/queue
	server      = /usr/sbin/smtpfront-qmail
	relay_from  = 127.0.0.2
}
`

func smtp() subject {
	return subject{
		name:     "the article's smtp",
		services: articleSMTP,
		files: map[string]string{
			"mail/control/me":        "mail.example.net\n",
			"mail/control/rcpthosts": "example.net\n",
			"queue":                  "#!/bin/sh\ncat >/dev/null\ncat <&1 >/dev/null\n",
			"hosts.allow":            "tcp-env: 127.0.0.2: setenv = RELAYCLIENT\n",
			"hosts.deny":             "",
			"prepare":                "go build -o DIR/tcp-env doorward/cmd/tcp-env\numount /etc/hosts.allow /etc/hosts.deny || :\nmount --bind DIR/hosts.allow /etc/hosts.allow\nmount --bind DIR/hosts.deny /etc/hosts.deny\n",
		},
		logs: "smtp",
		port: 25,
		play: playSMTP,
	}
}

// nativeSMTP compares the article's smtp under xinetd with the file its
// author would write for doorward, which looks no name up that nobody asks
// for: there is none in the greeting.
func nativeSMTP() subject {
	s := smtp()
	s.name, s.native = "the article's smtp without tcpd", ownSMTP
	s.play = func(t *testing.T, dir string) []scene {
		scenes := playSMTP(t, dir)
		for i := range scenes {
			scenes[i].saw = strings.NewReplacer("softdnserror", "NAME", "unknown", "NAME").Replace(scenes[i].saw)
		}
		return scenes
	}
	return s
}

func playSMTP(t *testing.T, dir string) []scene {
	return []scene{
		{"a relay client's whole dialogue", dialogue("127.0.0.2", "x@elsewhere.example")},
		{"another client's relaying", dialogue("127.0.0.3", "x@elsewhere.example")},
		{"another client's mail to a domain of ours", dialogue("127.0.0.3", "x@example.net")},
	}
}

// dialogue is both sides of an attempt to send mail.
func dialogue(from, to string) string {
	c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).Dial("tcp", "127.0.0.1:25")
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	var heard strings.Builder
	r := bufio.NewReader(io.TeeReader(c, &heard))
	for _, line := range []string{"EHLO client", "MAIL FROM:<a@example.org>", "RCPT TO:<" + to + ">", "QUIT"} {
		reply(r)
		fmt.Fprintf(c, "%s\r\n", line)
	}
	io.Copy(io.Discard, r)
	// Standard error is the client under xinetd, and the log under doorward.
	return regexp.MustCompile(`mailfront\[\d+\]: .*\n`).ReplaceAllString(heard.String(), "")
}

// reply reads the lines of one reply.
func reply(r *bufio.Reader) {
	for {
		line, err := r.ReadString('\n')
		if err != nil || len(line) < 4 || line[3] == ' ' {
			return
		}
	}
}
