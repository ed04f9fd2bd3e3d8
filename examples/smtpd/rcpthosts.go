package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strings"
)

// An rcpthosts is the set of domains mail is taken for, as control/rcpthosts
// of qmail-smtpd(8) lists them. The zero rcpthosts takes mail for none.
type rcpthosts map[string]bool

// readRcpthosts reads the file name. A file that cannot be read is an error:
// nobody may guess which domains it would have named.
func readRcpthosts(name string) (rcpthosts, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	hosts, err := parseRcpthosts(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return hosts, nil
}

// parseRcpthosts reads one domain a line. Blanks at the end of a line do not
// count, nor do empty lines and those that begin with #.
func parseRcpthosts(text []byte) (rcpthosts, error) {
	hosts := rcpthosts{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		line := strings.ToLower(strings.TrimRight(lines.Text(), " \t\r"))
		if line != "" && line[0] != '#' {
			hosts[line] = true
		}
	}
	return hosts, lines.Err()
}

// Has reports whether mail is taken for the address. One without a domain is
// for this machine. A domain is looked up whole, then from each of its dots
// on, so that .example.net finds mx.example.net but not example.net.
func (hosts rcpthosts) Has(address string) bool {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return true
	}
	domain := strings.ToLower(address[at+1:])
	if hosts[domain] {
		return true
	}
	for i := range len(domain) {
		if domain[i] == '.' && hosts[domain[i:]] {
			return true
		}
	}
	return false
}
