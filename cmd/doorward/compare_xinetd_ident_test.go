//go:build linux

package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// idOnly is a service for clients whose user an ident server tells.
func idOnly() subject {
	return subject{
		name: "ident server",
		services: `service identified
{
	type        = UNLISTED
	socket_type = stream
	protocol    = tcp
	wait        = no
	user        = nobody
	flags       = IPv4 IDONLY
	port        = 7008
	server      = /bin/echo
	server_args = welcome
	log_on_success = USERID
}
`,
		logs: "identified only", // START and EXIT differ by design: playIdent looks at the rest
		port: 7008,
		play: playIdent,
	}
}

func playIdent(t *testing.T, dir string) (scenes []scene) {
	clients := []struct{ addr, reply string }{
		{"127.0.0.2", "USERID : UNIX : joe"},
		{"127.0.0.3", "USERID : OTHER : joe.bloggs+x"},
		{"127.0.0.4", "ERROR : NO-USER"},
		{"127.0.0.5", "ERROR : HIDDEN-USER"},
		{"127.0.0.6", "nonsense"},
		{"127.0.0.7", ""}, // no server
	}
	for _, c := range clients {
		if c.reply != "" {
			identd(t, c.addr, c.reply)
		}
		scenes = append(scenes, scene{"client at " + c.addr + ", " + c.reply, converse(c.addr, 7008, "", false)})
	}
	time.Sleep(300 * time.Millisecond) // for the last line of the log
	log, _ := os.ReadFile(dir + "/service.log")
	users := regexp.MustCompile(`USERID: identified (?:[A-Z]+ : )?(.*)`).FindAllStringSubmatch(string(log), -1)
	var names []string
	for _, u := range users {
		names = append(names, u[1])
	}
	slices.Sort(names)
	return append(scenes,
		scene{"users in the log", strings.Join(names, " ")},
		scene{"the line about a client without a server", regexp.MustCompile(`NOID: \S+ 127\.0\.0\.7 .*`).FindString(string(log))},
		scene{"lines about clients without a user", fmt.Sprint(strings.Count(string(log), ": NOID: identified 127.0.0."))})
}

// identd is an ident server at an address that answers everybody the same,
// until the scenes are over.
func identd(t *testing.T, addr, reply string) {
	l, err := net.Listen("tcp", addr+":113")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer l.Close()
		l.(*net.TCPListener).SetDeadline(time.Now().Add(2 * time.Second))
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(2 * time.Second))
		query, _ := bufio.NewReader(c).ReadString('\n')
		if reply != "nonsense" {
			reply = strings.TrimSpace(query) + " : " + reply
		}
		fmt.Fprintf(c, "%s\r\n", reply)
	}()
}
