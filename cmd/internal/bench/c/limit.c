/* What the machine can do: accept and start a program, or with no program
 * accept and close, and nothing else. Two processes share the socket, one for
 * each processor of the machine the figures are from.
 *
 *	limit PORT [PROGRAM [all]]
 *
 * With "all" it asks the kernel for all that doorward does for a program: its
 * own session, signal mask, umask, limit of open files, groups, user and
 * directory, the variables about the connection, and a line in the log. What
 * doorward is slower than that, its rules and Go cost; what that is slower than
 * the bare limit, nobody can save who is asked for it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char *variables[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "PROTO=TCP",
	"TCPLOCALIP=127.0.0.1", "TCP6LOCALIP=::ffff:127.0.0.1", "TCPLOCALPORT=12345", "TCP6LOCALPORT=12345",
	"TCPREMOTEIP=127.0.0.1", "TCP6REMOTEIP=::ffff:127.0.0.1", "TCPREMOTEPORT=40001", "TCP6REMOTEPORT=40001",
	"RELAYCLIENT=", NULL,
};

static void settle(void)
{
	sigset_t none;
	struct rlimit files;

	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	umask(022);
	getrlimit(RLIMIT_NOFILE, &files);
	setrlimit(RLIMIT_NOFILE, &files);
	if (getuid() == 0 && (setgroups(0, NULL) || setgid(0) || setuid(0)))
		_exit(111);
	if (chdir("/"))
		_exit(111);
}

static void start(int client, char *program, int all)
{
	static const char line[] = "bench0: 127.0.0.1:40001 allowed by /tmp/bench/allow:10, started 12345\n";
	char *argv[] = {program, NULL}, *none[] = {NULL};
	struct sockaddr_in local;
	socklen_t len = sizeof local;

	if (all)
		getsockname(client, (struct sockaddr *)&local, &len);
	if (vfork() == 0) {
		if (all)
			settle();
		dup2(client, 0);
		dup2(client, 1);
		execve(program, argv, all ? variables : none);
		_exit(111);
	}
	if (all && write(2, line, sizeof line - 1) < 0)
		warn("log");
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		errx(100, "usage: limit port [program]");
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int on = 1, s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(s, (struct sockaddr *)&at, sizeof at) || listen(s, 4096))
		err(111, "port %s", argv[1]);
	if (fork() == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		int client = accept4(s, NULL, NULL, SOCK_CLOEXEC);
		if (client < 0)
			continue;
		if (argv[2])
			start(client, argv[2], argc > 3);
		close(client);
	}
}
