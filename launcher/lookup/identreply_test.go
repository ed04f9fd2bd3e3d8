package lookup_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"doorward/launcher/lookup"
)

func TestWrappersUser(t *testing.T) {
	long := strings.Repeat("u", 600)
	tests := []struct {
		reply, user string
		done        bool
	}{
		{"40001, 25 : USERID : UNIX : joe\r\n", "joe", true},
		{"40001,25:USERID:UNIX:joe\n", "joe", true},
		{"40001,\t25\t:\tUSERID\t:\tUNIX\t:\tjoe\r\n", "joe", true},
		{"040001, 0025 : USERID : UNIX : joe\r\n", "joe", true},
		{"+40001, 25 : USERID : UNIX : joe\r\n", "joe", true},
		{"4295007297, 25 : USERID : UNIX : joe\r\n", "joe", true}, // 2^32 more is the same to %u
		{"-40001, 25 : USERID : UNIX : joe\r\n", "", true},
		{"99999999999999999999999, 25 : USERID : UNIX : joe\r\n", "", true},
		{"40001, 25 : USERID : UNIX , US-ASCII : joe\r\n", "joe", true},
		{"40001, 25 : USERID : UNIX : joe smith\r\n", "joe", true},
		{"40001, 25 : USERID : UNIX : a:b\r\n", "a:b", true},
		{"40001, 25 : USERID : UNIX : " + long + "\r\n", long[:127], true},
		{"40001, 25 : USERID : UNIX : " + long, long[:127], true}, // nothing past 511 bytes is looked at
		{"40001, 25 : USERID : UNIX : jo\x00e\r\n", "jo", true},
		{"40001, 25 : USERID :: joe\r\n", "", true},
		{"40001, 25 : USERID : UNIX : \r\n", "", true},
		{"40001, 25 : userid : UNIX : joe\r\n", "", true},
		{"40001, 25 : ERROR : NO-USER\r\n", "", true},
		{"40002, 25 : USERID : UNIX : joe\r\n", "", true},
		{"40001, 26 : USERID : UNIX : joe\r\n", "", true},
		{"hello\r\n", "", true},
		{"\n40001, 25 : USERID : UNIX : joe\r\n", "", true}, // the first line counts
		{"40001, 25 : USERID : UNIX : joe", "", false},
		{"", "", false},
	}
	for _, tt := range tests {
		if user, done := lookup.WrappersUser([]byte(tt.reply), 40001, 25); user != tt.user || done != tt.done {
			t.Errorf("%.60q: got %q, %v, want %q, %v", tt.reply, user, done, tt.user, tt.done)
		}
	}
}

func TestUCSPIUser(t *testing.T) {
	long := strings.Repeat("u", 2000)
	tests := []struct {
		reply string
		room  int
		user  string
		done  bool
	}{
		{"40001, 25 : USERID : UNIX : joe\r\n", 998, "joe", true},
		{"40001, 25 : USERID : UNIX : joe q smith \r\n", 998, "joeqsmith", true},
		{"40001, 25 : USERID : UNIX :\r\n", 998, "", true},
		{"40001, 25 : ERROR : NO-USER\r\n", 998, "", true},
		{"a:b:c:d\r\n", 998, "d", true}, // nothing else is looked at
		{"a:b:c:d:e\n", 998, "d:e", true},
		{"\n", 998, "", true},
		{"a:b:c:jo\xc3\xa9\r\n", 998, "jo\xc3\xa9", true},
		{"a:b:c:jo\x00e\n", 998, "jo", true}, // no environment can hold the rest
		{"a:b:c:" + long, lookup.TCPEnvUser, long[:998], true},
		{"a:b:c:" + long[:998] + "\r\n", lookup.TCPEnvUser, long[:998], true},
		{"40001, 25 : USERID : UNIX : " + long, lookup.TCPServerUser, long[:257], true},
		{"a:b:c:jo", 998, "", false},
		{"", 998, "", false},
	}
	for _, tt := range tests {
		if user, done := lookup.UCSPIUser([]byte(tt.reply), tt.room); user != tt.user || done != tt.done {
			t.Errorf("%.60q: got %q, %v, want %q, %v", tt.reply, user, done, tt.user, tt.done)
		}
	}
}

// However a reply is cut into packets, it says the same.
func TestRepliesMayArriveInPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		reply := []byte(rapid.StringOf(rapid.RuneFrom([]rune("40001,25:USERID UNIX\tjoe\r\n\x00"))).Draw(t, "reply"))
		whole, wholeDone := lookup.WrappersUser(reply, 40001, 25)
		user, userDone := lookup.UCSPIUser(reply, 8)
		for i := range reply {
			if got, done := lookup.WrappersUser(reply[:i], 40001, 25); done && got != whole {
				t.Fatalf("tcp_wrappers: %q of the first %d bytes, %q of all", got, i, whole)
			} else if done && !wholeDone {
				t.Fatalf("tcp_wrappers: done after %d bytes, not after all", i)
			}
			if got, done := lookup.UCSPIUser(reply[:i], 8); done && (got != user || !userDone) {
				t.Fatalf("ucspi: %q of the first %d bytes, %q of all", got, i, user)
			}
		}
	})
}

func FuzzWrappersUser(f *testing.F) {
	f.Add([]byte("40001, 25 : USERID : UNIX : joe\r\n"))
	f.Add([]byte("40001,25:USERID:OTHER:\x1b[2J\n"))
	f.Add([]byte("-1, 99999999999999999999 : USERID :: \x00\n"))
	f.Add([]byte("40001, 25 : ERROR : HIDDEN-USER"))
	f.Fuzz(func(t *testing.T, reply []byte) {
		user, done := lookup.WrappersUser(reply, 40001, 25)
		if len(user) > 127 || strings.ContainsAny(user, " \t\n\v\f\r\x00") {
			t.Errorf("%q: user %q", reply, user)
		}
		if user != "" && !strings.Contains(string(reply), "USERID") || user != "" && !done {
			t.Errorf("%q: user %q, done %v", reply, user, done)
		}
		if !done && len(reply) >= 511 {
			t.Errorf("%d bytes are not enough", len(reply))
		}
	})
}

func FuzzUCSPIUser(f *testing.F) {
	f.Add([]byte("40001, 25 : USERID : UNIX : joe\r\n"), 257)
	f.Add([]byte(":::\x00\n"), 998)
	f.Add([]byte(strings.Repeat(":", 300)), 257)
	f.Fuzz(func(t *testing.T, reply []byte, room int) {
		room = max(room, 1)
		user, _ := lookup.UCSPIUser(reply, room)
		if len(user) > room || strings.ContainsAny(user, " \t\r\n\x00") {
			t.Errorf("%q: user %q, room for %d", reply, user, room)
		}
	})
}
