/* What the machine can do: accept and start a program, or with no program
 * accept and close, and nothing else. Two processes share the socket, one for
 * each processor of the machine the figures are from.
 *
 *	limit PORT [PROGRAM [session]]
 *
 * With a third argument each program gets a session of its own, as under
 * xinetd.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void start(int client, char *program, int session)
{
	char *argv[] = {program, NULL}, *envp[] = {NULL};
	if (vfork() == 0) {
		if (session)
			setsid();
		dup2(client, 0);
		dup2(client, 1);
		execve(program, argv, envp);
		_exit(111);
	}
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
