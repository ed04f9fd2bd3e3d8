package xinetd

import (
	"strconv"
	"strings"
)

// ParseServices reads the text of services(5) and returns a function for
// Host.Port. Lines that make no sense are passed over, as getservbyname(3)
// does.
func ParseServices(text string) func(service, protocol string) (port uint16, ok bool) {
	type key struct{ service, protocol string }
	ports := map[key]uint16{}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		number, protocol, ok := strings.Cut(words[1], "/")
		n, err := strconv.ParseUint(number, 10, 16)
		if !ok || err != nil {
			continue
		}
		for i, name := range words {
			if _, taken := ports[key{name, protocol}]; i != 1 && !taken {
				ports[key{name, protocol}] = uint16(n)
			}
		}
	}
	return func(service, protocol string) (uint16, bool) {
		n, ok := ports[key{service, protocol}]
		return n, ok
	}
}

// wellKnown are the ports of services that doorward is mostly used for, for
// machines without /etc/services.
var wellKnown = map[string]uint16{
	"smtp": 25, "smtps": 465, "submissions": 465, "submission": 587, "qmtp": 209, "qmqp": 628,
	"pop3": 110, "pop3s": 995, "imap": 143, "imap2": 143, "imaps": 993, "ftp": 21, "ssh": 22, "finger": 79, "rsync": 873,
}

// port returns the port of a listed service.
func (h *Host) port(service, protocol string) (uint16, bool) {
	if h.Port != nil {
		if n, ok := h.Port(service, protocol); ok {
			return n, true
		}
	}
	n, ok := wellKnown[service]
	return n, ok && protocol == "tcp"
}
