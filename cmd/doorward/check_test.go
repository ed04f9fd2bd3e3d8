package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	tests := []struct {
		what, allow, config string
		want                []string // beginnings of lines; DIR stands for the directory
		code                error
	}{
		{"nothing to say", "smtp: 192.0.2.7\n", "", nil, nil},
		{"a warning", "smtp: 192.0.2.1/24\n", "", []string{`DIR/hosts.allow:1: "192.0.2.1/24": `}, foundWarnings},
		{"an error after a warning, by line", "noline\nsmtp: 192.0.2.1/24\n", "",
			[]string{`DIR/hosts.allow:1: "noline": missing`, `DIR/hosts.allow:2: "192.0.2.1/24": `}, foundErrors},
		{"a service with a mistake", "", "service x\n{\n\tbogus = 1\n}\n", []string{`DIR/conf:`}, foundErrors},
	}
	for _, tt := range tests {
		dir := t.TempDir()
		for name, text := range map[string]string{"hosts.allow": tt.allow, "conf": tt.config} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var out strings.Builder
		err := command([]string{"check", "-hosts-allow", dir + "/hosts.allow", "-hosts-deny", dir + "/hosts.deny", "-config", dir + "/conf"}, &out)
		if err != tt.code {
			t.Errorf("%s: got %v, want %v\n%s", tt.what, err, tt.code, out.String())
		}
		lines := strings.Split(out.String(), "\n")
		for i, want := range tt.want {
			if i >= len(lines) || !strings.HasPrefix(lines[i], strings.ReplaceAll(want, "DIR", dir)) {
				t.Errorf("%s: line %d: got\n%s\nwant %s", tt.what, i+1, out.String(), want)
			}
		}
		if len(tt.want) == 0 && out.Len() > 0 {
			t.Errorf("%s: got %s", tt.what, out.String())
		}
	}
}
