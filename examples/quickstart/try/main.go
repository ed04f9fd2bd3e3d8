// Command try sends one line of mail by SMTP and prints the dialogue, each
// line the moment it is said.
//
// It exists for what an ordinary client hides and the quickstart is about: the
// address it comes from, and what it is told. The status is 0 when the message
// was taken, 1 when it was not.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

const patience = 10 * time.Second // for the whole dialogue

func main() {
	from := flag.String("from", "", "come from the local `ADDRESS`")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: try [-from ADDRESS] RECIPIENT HOST:PORT")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 2 {
		flag.Usage()
		os.Exit(2)
	}
	if err := try(os.Stdout, *from, flag.Arg(0), flag.Arg(1)); err != nil {
		fmt.Fprintln(os.Stderr, "try:", err)
		os.Exit(1)
	}
}

// try sends a message to recipient through server and writes what both say.
func try(log io.Writer, from, recipient, server string) error {
	dialer := net.Dialer{Timeout: patience}
	if from != "" {
		ip := net.ParseIP(from)
		if ip == nil {
			return fmt.Errorf("-from %q: want an address", from)
		}
		dialer.LocalAddr = &net.TCPAddr{IP: ip}
	}
	conn, err := dialer.Dial("tcp", server)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))

	r := bufio.NewReader(conn)
	if err := reply(log, r, "220"); err != nil {
		return err
	}
	steps := []struct{ say, want string }{
		{"HELO try", "250"},
		{"MAIL FROM:<try@example.org>", "250"},
		{"RCPT TO:<" + recipient + ">", "250"},
		{"DATA", "354"},
		{"Subject: tried at " + time.Now().Format(time.TimeOnly) + "\r\n\r\nHello.\r\n.", "250"},
	}
	for _, s := range steps {
		if err := say(log, conn, s.say); err != nil {
			return err
		}
		if err := reply(log, r, s.want); err != nil {
			say(log, conn, "QUIT")
			return err
		}
	}
	return errors.Join(say(log, conn, "QUIT"), reply(log, r, "221"))
}

func say(log io.Writer, conn net.Conn, text string) error {
	for line := range strings.Lines(text) {
		fmt.Fprintln(log, ">", strings.TrimRight(line, "\r\n"))
	}
	_, err := io.WriteString(conn, text+"\r\n")
	return err
}

// reply reads a reply, which ends with the first line that has a space after
// the code (RFC 5321, 4.2.1).
func reply(log io.Writer, r *bufio.Reader, want string) error {
	for {
		line, err := r.ReadString('\n')
		switch {
		case err == io.EOF && line == "":
			return errors.New("the server closed the connection without a word")
		case err != nil:
			return err
		}
		line = strings.TrimRight(line, "\r\n")
		fmt.Fprintln(log, "<", line)
		switch {
		case len(line) > 3 && line[3] == '-':
			continue
		case !strings.HasPrefix(line, want):
			return errors.New("not accepted")
		}
		return nil
	}
}
