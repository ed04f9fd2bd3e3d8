//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// agent is a monitoring agent as check_mk installs it: a script that speaks
// when it is connected to, to a few addresses, and whose good runs are not
// logged.
func agent() subject {
	return subject{
		name: "a monitoring agent",
		services: `service check_mk
{
	type           = UNLISTED
	port           = 6556
	socket_type    = stream
	protocol       = tcp
	wait           = no
	user           = root
	flags          = IPv4
	server         = DIR/agent
	only_from      = 127.0.0.1 127.0.0.2
	log_on_success =
	disable        = no
}
`,
		files: map[string]string{"agent": `#!/bin/sh
echo '<<<check_mk>>>'
echo "AgentOS: linux"
echo "OnlyFrom: $REMOTE_HOST"
echo '<<<child>>>'
echo "$# $(id -u) $(id -g) $(id -G) $(pwd) $(umask)"
for fd in 0 1; do readlink /proc/$$/fd/$fd | sed 's/[0-9]*//g'; done
grep -E 'Sig(Blk|Ign)' /proc/self/status
printf 'a byte of every kind: \000\377\r\n'
`},
		logs: "check_mk",
		port: 6556,
		play: func(t *testing.T, dir string) (all []scene) {
			for _, from := range []string{"127.0.0.1", "127.0.0.2", "127.0.0.3"} {
				all = append(all, scene{"the agent's answer to " + from, converse(from, 6556, "", false)})
			}
			return all
		},
	}
}

// gitDaemon serves a repository to git.
func gitDaemon() subject {
	const service = `service ID
{
	type        = UNLISTED
	port        = 9418
	socket_type = stream
	protocol    = tcp
	wait        = no
	user        = root
	flags       = FAMILY
	bind        = ADDR
	server      = /usr/bin/git
	server_args = daemon --inetd --export-all --base-path=DIR/repos DIR/repos
}
`
	return subject{
		name: "git-daemon",
		services: strings.NewReplacer("ID", "git", "FAMILY", "IPv4", "ADDR", "127.0.0.1").Replace(service) +
			strings.NewReplacer("ID", "git6", "FAMILY", "IPv6", "ADDR", "::1").Replace(strings.Replace(service, "\n\tport        = 9418", "\n\tid          = git6\n\tport        = 9418", 1)),
		files: map[string]string{"repos/README": "text\n", "prepare": `
export GIT_AUTHOR_DATE='2001-01-01T00:00:00Z' GIT_COMMITTER_DATE='2001-01-01T00:00:00Z'
git init -q -b main DIR/work
cp DIR/repos/README DIR/work
cd DIR/work
git add README
git -c user.name=a -c user.email=a@example.net commit -q -m first
git clone -q --bare DIR/work DIR/repos/project.git
`},
		logs: "git6?",
		port: 9418,
		play: func(t *testing.T, dir string) []scene {
			return []scene{
				tell("the branches over IPv4", dir, `git ls-remote git://127.0.0.1/project.git`),
				tell("the branches over IPv6", dir, `git ls-remote git://[::1]/project.git`),
				tell("a clone over IPv4", dir, `git clone -q git://127.0.0.1/project.git DIR/four && cat DIR/four/README && git -C DIR/four log`),
				tell("a clone over IPv6", dir, `git clone -q git://[::1]/project.git DIR/six && cat DIR/six/README && git -C DIR/six log`),
				tell("a repository that is not there", dir, `git ls-remote git://127.0.0.1/other.git`),
			}
		},
	}
}

// rsyncDaemon serves a directory to rsync.
func rsyncDaemon() subject {
	return subject{
		name: "rsync",
		services: `service rsync
{
	type        = UNLISTED
	port        = 873
	socket_type = stream
	protocol    = tcp
	wait        = no
	user        = root
	flags       = IPv4
	only_from   = 127.0.0.1
	server      = /usr/bin/rsync
	server_args = --daemon --config=DIR/rsyncd.conf
}
`,
		files: map[string]string{
			"rsyncd.conf":   "log file = DIR/rsyncd.log\nuse chroot = no\n[files]\n\tpath = DIR/files\n\tcomment = what is given away\n",
			"files/a":       "text of a\n",
			"files/sub/b":   "text of b\n",
			"prepare":       "touch -d 2001-01-01T00:00:00Z DIR/files/a DIR/files/sub/b DIR/files/sub DIR/files",
			"fetched/empty": "",
		},
		logs: "rsync",
		port: 873,
		play: func(t *testing.T, dir string) []scene {
			return []scene{
				tell("the modules", dir, `rsync rsync://127.0.0.1/`),
				tell("the files of a module", dir, `rsync -r rsync://127.0.0.1/files/`),
				tell("a fetched tree", dir, `rsync -rt rsync://127.0.0.1/files/ DIR/fetched/ && cat DIR/fetched/a DIR/fetched/sub/b`),
				tell("a module that is not there", dir, `rsync rsync://127.0.0.1/other/`),
				tell("a client that is kept out", dir, `rsync --address=127.0.0.3 rsync://127.0.0.1/files/ 2>/dev/null || echo kept out`), // reset or ended, as it happens
			}
		},
	}
}

// tell is what a command says, and how it ends.
func tell(name, dir, command string) scene {
	cmd := exec.Command("timeout", "10", "sh", "-c", strings.ReplaceAll(command, "DIR", dir))
	cmd.Env = append(os.Environ(), "LC_ALL=C", "GIT_CONFIG_GLOBAL=/dev/null", "TZ=UTC")
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	return scene{name, fmt.Sprintf("%s%v", strings.ReplaceAll(string(out), dir, "DIR"), err)}
}
