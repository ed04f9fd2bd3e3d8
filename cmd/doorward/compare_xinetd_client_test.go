//go:build linux

package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// waitForPort waits until somebody listens on a port, without a connection
// that a log would speak of.
func waitForPort(t *testing.T, port int) {
	t.Helper()
	listening := fmt.Sprintf(":%04X ", port)
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
			text, _ := os.ReadFile(file)
			for line := range strings.Lines(string(text)) {
				if strings.Contains(line, listening) && strings.Contains(line, " 0A ") {
					return
				}
			}
		}
	}
	t.Fatal("nobody listens on port", port)
}

// converse sends text and returns what comes until the end. With end it ends its
// side, so that a program that reads hears of it.
func converse(from string, port int, text string, end bool) string {
	to := "127.0.0.1"
	if strings.Contains(from, ":") {
		to = "::1"
	}
	c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).Dial("tcp", net.JoinHostPort(to, fmt.Sprint(port)))
	if err != nil {
		return "" // a reset may be faster than the dial
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	io.WriteString(c, text)
	if end {
		time.Sleep(50 * time.Millisecond) // what ends before it is looked at may be reset
		c.(*net.TCPConn).CloseWrite()
	}
	b, _ := io.ReadAll(c) // a reset is an end, too
	return string(b)
}

// linger says hello, reads up to a text, and stays.
func linger(t *testing.T, port int, until string) (string, net.Conn) {
	t.Helper()
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(5 * time.Second))
	io.WriteString(c, "hello")
	var all []byte
	for b := make([]byte, 4096); !strings.Contains(string(all), until); {
		n, err := c.Read(b)
		if all = append(all, b[:n]...); err != nil {
			break
		}
	}
	before, _, _ := strings.Cut(string(all), until)
	return before + until, c
}

// hangUp ends a connection when all has been read.
func hangUp(c net.Conn) {
	c.(*net.TCPConn).CloseWrite()
	io.ReadAll(c)
	c.Close()
}

// ask sends a datagram and returns the answer to it.
func ask(from string, port int, text string) string {
	c, err := (&net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(from)}}).Dial("udp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	io.WriteString(c, text)
	c.SetDeadline(time.Now().Add(time.Second))
	b := make([]byte, 100)
	n, _ := c.Read(b)
	return string(b[:n])
}
