package main

import (
	"encoding/json"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestExplain(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"hosts.allow": "imap: ALL\nsh: 192.0.2.7 : setenv A b\nsh: joe@192.0.2.9\n",
		"hosts.deny":  "ALL: ALL\n",
		"conf": "service x\n{\n\ttype = UNLISTED\n\tport = 2525\n\tsocket_type = stream\n\twait = no\n\tuser = root\n" +
			"\tserver = /bin/sh\n\tno_access = 192.0.2.66\n\trelay_from = 192.0.2.0/29\n}\n" +
			"service who\n{\n\ttype = UNLISTED\n\tport = 2526\n\tsocket_type = stream\n\twait = no\n\tuser = root\n" +
			"\tserver = /bin/sh\n\tflags = IDONLY\n}\n",
	} {
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config := "conf"
	if os.Getuid() != 0 {
		config = "" // only root can have a service of root's
	}
	tests := []struct {
		config, daemon, client string
		verdict, rule, env     string
	}{
		{"", "sh", "192.0.2.7", "allow", "hosts.allow:2", "A=b"},
		{"", "sh", "192.0.2.8", "deny", "hosts.deny:1", ""},
		{"", "sh", "joe@192.0.2.9", "allow", "hosts.allow:3", "TCPREMOTEINFO=joe"},
		{config, "x", "192.0.2.7", "allow", "hosts.allow:2", "RELAYCLIENT="},
		{config, "x", "192.0.2.66", "deny", "conf:9", ""},
		{config, "who", "192.0.2.7", "deny", "conf:20", ""},
		{config, "who", "joe@192.0.2.7", "allow", "hosts.allow:2", "TCPREMOTEINFO=joe"},
	}
	for _, tt := range tests {
		if (tt.daemon == "x" || tt.daemon == "who") && tt.config == "" {
			continue
		}
		args := []string{"explain", "-json", "-hosts-allow", dir + "/hosts.allow", "-hosts-deny", dir + "/hosts.deny"}
		if tt.config != "" {
			args = append(args, "-config", dir+"/"+tt.config)
		}
		var out strings.Builder
		if err := command(append(args, tt.daemon, tt.client), &out); err != nil {
			t.Errorf("%s %s: %v", tt.daemon, tt.client, err)
			continue
		}
		var e explanation
		if err := json.Unmarshal([]byte(out.String()), &e); err != nil {
			t.Fatal(err)
		}
		if e.Verdict != tt.verdict || e.Rule != dir+"/"+tt.rule || tt.env != "" && !slices.Contains(e.Env, tt.env) {
			t.Errorf("%s %s: got %s", tt.daemon, tt.client, out.String())
		}
	}
}

func TestExplainUsage(t *testing.T) {
	if err := command([]string{"explain", "smtp"}, new(strings.Builder)); err != badUsage {
		t.Errorf("got %v", err)
	}
}

// Where finding out takes longer than decide_timeout has it, explain ends when
// a decision would, and says so.
func TestExplainDecideTimeout(t *testing.T) {
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	s, _ := prepare(t, dumper("test", "dnsbl = zone.example", "decide_timeout = 200ms", "dns = "+silent.LocalAddr().String()), nil)
	var out strings.Builder
	began := time.Now()
	err = command([]string{"explain", "-json", "-config", s.dir + "/doorward.conf", "-hosts-allow", s.dir + "/hosts.allow",
		"-hosts-deny", s.dir + "/hosts.deny", "test", "192.0.2.7"}, &out)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("took %v", took)
	}
	if !strings.Contains(out.String(), "decide_timeout: 200ms are over") || !strings.Contains(out.String(), `"verdict":"pass"`) && !strings.Contains(out.String(), `"verdict":"allow"`) {
		t.Errorf("got %s", out.String())
	}
}
