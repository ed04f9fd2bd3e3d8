// Command smtpd is a small SMTP daemon for trying things out: one connection,
// on descriptors 0 and 1, mail into one Maildir.
//
// It stands where qmail-smtpd would, behind doorward, tcpserver, tcpd and
// tcp-env, xinetd or a systemd socket, and obeys the two things they steer
// such a daemon by:
//
//   - rcpthosts, a file of the domains mail is taken for: a line such as
//     example.net takes that domain, .example.net every domain below it, # at
//     the beginning of a line makes a comment;
//   - RELAYCLIENT in the environment. Set, even to nothing, it takes mail for
//     any recipient and is appended to each; not set, a recipient elsewhere is
//     refused with 553 (qmail-smtpd(8)).
//
// TCPREMOTEIP, TCPREMOTEHOST and TCPREMOTEINFO (tcp-environ(5)) appear in the
// Received line. Whoever wrote them did not vouch for every byte, so whatever
// cannot be in a name or an address becomes a question mark there.
//
// It is an example and no mail system: there is no queue, no alias, no bounce,
// nothing leaves this machine. A real one starts at qmail-smtpd or mailfront.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"

	"github.com/emersion/go-smtp"
)

// What a client may use of us. RFC 5321 asks for at least 100 recipients and
// 1000 octets a line (4.5.3.1); go-smtp counts commands by the same limit.
const (
	maxRecipients = 100
	maxMessage    = 10 << 20 // bytes
	maxLine       = 1000     // bytes, CR LF included
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("smtpd: ")
	if err := smtpd(os.Args[1:]); err != nil {
		log.Print(err)
		os.Exit(111) // the ucspi-tcp way to say: not now
	}
}

func smtpd(args []string) error {
	flags := flag.NewFlagSet("smtpd", flag.ContinueOnError)
	rcpthosts := flags.String("rcpthosts", "", "take mail for the domains in `FILE`")
	maildir := flags.String("maildir", "", "deliver into the Maildir `DIR`, made if it is not there")
	hostname := flags.String("hostname", "localhost", "call ourselves `NAME`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *rcpthosts == "" || *maildir == "" || flags.NArg() > 0 {
		return errors.New("usage: smtpd -rcpthosts FILE -maildir DIR [-hostname NAME]")
	}

	// Without the file every domain would be ours or none; qmail-smtpd says
	// every, which makes an open relay of a typing error.
	hosts, err := readRcpthosts(*rcpthosts)
	if err != nil {
		return err
	}
	box, err := openMaildir(*maildir)
	if err != nil {
		return err
	}
	quietIfLogIsClient()
	conn, err := stdin()
	if err != nil {
		return err
	}
	return serve(conn, &backend{
		hostname: *hostname,
		hosts:    hosts,
		maildir:  box,
		client:   clientFromEnv(os.LookupEnv),
	})
}

// serve speaks SMTP with the client of conn until it leaves.
func serve(conn net.Conn, b *backend) error {
	srv := smtp.NewServer(b)
	srv.Domain = b.hostname
	srv.MaxRecipients = maxRecipients
	srv.MaxMessageBytes = maxMessage
	srv.MaxLineLength = maxLine
	srv.ErrorLog = log.Default()

	err := srv.Serve(oneConn(newStrictConn(conn)))
	b.delivering.Wait() // a message cut off clears away what it left in tmp
	if errors.Is(err, net.ErrClosed) {
		return nil // the one connection is over
	}
	return err
}

// stdin returns the connection on descriptor 0. net.FileConn copies the
// descriptor, so the ones we came with are closed: the client must see the end
// of the connection when we end it, not when we exit. It also makes the socket
// non-blocking for everybody who shares it, which only a program that hands
// the connection to nobody else may do.
func stdin() (net.Conn, error) {
	conn, err := net.FileConn(os.Stdin)
	if err != nil {
		return nil, fmt.Errorf("descriptor 0: want a connected socket: %w", err)
	}
	os.Stdin.Close()
	os.Stdout.Close()
	return conn, nil
}

// quietIfLogIsClient turns the log off where descriptor 2 is the connection,
// as under xinetd: a log line must not land in the middle of the dialogue.
func quietIfLogIsClient() {
	in, err1 := os.Stdin.Stat()
	out, err2 := os.Stderr.Stat()
	if err1 == nil && err2 == nil && os.SameFile(in, out) {
		log.SetOutput(io.Discard)
	}
}
