package run

import (
	"strings"
	"testing"

	"doorward/acl"
)

// Whatever is in passwd(5), nobody gets the entry of somebody else.
func FuzzFind(f *testing.F) {
	f.Add("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n", "nobody")
	f.Add("0:x:1:1:::\nroot:x:0:0:::", "0")
	f.Add("::::::\n:\n\n+::::::", "")
	f.Fuzz(func(t *testing.T, file, name string) {
		e := find(file, name, 7)
		if e == nil {
			return
		}
		if len(e) != 7 || name == "" || e[0] != name && e[2] != name {
			t.Errorf("%q: got %q", name, e)
		}
		if !strings.Contains(file, strings.Join(e, ":")) {
			t.Errorf("%q is no line of the file", e)
		}
		if e[0] != name && strings.Contains("\n"+file, "\n"+name+":x:1:1:::\n") {
			t.Errorf("%q by number, though there is one of that name", e)
		}
	})
}

// An option whose value makes no sense changes nothing, and is an error.
func FuzzOption(f *testing.F) {
	for key, values := range map[string]string{"umask": "022 8 -1 1000 +7 0x1 7_7", "nice": "5 -3 99999 +1 x", "linger": "10 0 -1 2147483648"} {
		for _, v := range strings.Fields(values) {
			f.Add(key, v)
		}
	}
	f.Fuzz(func(t *testing.T, key, value string) {
		if key != "umask" && key != "nice" && key != "linger" {
			return // the others are not numbers, and act
		}
		h := Handover{Conn: -1}
		err := h.Apply(acl.Decision{Options: []acl.Option{{Key: key, Value: value}}})
		p := h.Program
		if err != nil && (p.Umask != nil || p.Nice != 0 || h.Warnings != nil) {
			t.Errorf("%s %q: %v, and still %+v", key, value, err, h)
		}
		if p.Umask != nil && (*p.Umask < 0 || *p.Umask > 0o777) || p.Nice < -40 || p.Nice > 40 {
			t.Errorf("%s %q: %+v", key, value, p)
		}
		if err == nil && value == "" && key != "nice" {
			t.Errorf("%s without a value is no error", key)
		}
	})
}
