package builtin

import (
	"io"
	"net"
	"time"
)

// dialTime is how long the other server may take to answer.
const dialTime = 10 * time.Second

// Redirect returns a service that connects its client with another server,
// at "host:port". A name is looked up for each client.
//
// Each direction ends by itself, when its sender has said so: a client may
// send a request, close its side and wait for the answer, which xinetd does
// not let it. Keep-alives find out when one of the two has gone; a client that
// stays without a word stays, as in a direct connection.
func Redirect(address string) Service {
	return func(client Stream) error {
		c, err := net.DialTimeout("tcp", address, dialTime)
		if err != nil {
			return err
		}
		defer c.Close()
		server := c.(*net.TCPConn)
		if tcp, ok := client.(*net.TCPConn); ok {
			tcp.SetKeepAlive(true)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			pipe(server, client)
		}()
		pipe(client, server)
		<-done
		return nil
	}
}

// pipe sends on what one side sends, without a copy in this process where the
// kernel can (splice(2)), and then its end. If there is nobody to send to any
// more, both connections are over.
func pipe(to, from Stream) {
	_, err := io.Copy(to, from)
	if err != nil {
		to.Close()
		from.Close()
		return
	}
	to.CloseWrite()
}
