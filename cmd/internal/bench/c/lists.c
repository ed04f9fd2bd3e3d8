/* A DNS server with any number of DNS lists, each of which answers after so
 * many milliseconds: no name but those that RFC 5782 wants every list to have,
 * except below a zone that begins with "listed", which has every client. It
 * looks at the socket 5,000 times a second and takes and sends whatever there
 * is at once, so that what is measured is who asks.
 *
 *	lists ADDRESS PORT MILLISECONDS
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { ROOM = 512, BATCH = 256, HELD = 1 << 16, TYPE_A = 1, TYPE_TXT = 16 };

/* Replies that wait for their time, in the order they came in. */
static struct held {
	long due;
	int len;
	struct sockaddr_in to;
	unsigned char msg[ROOM];
} held[HELD];
static unsigned long first, next;

static long now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static int begins(const unsigned char *label, const char *text)
{
	return *label >= strlen(text) && memcmp(label + 1, text, strlen(text)) == 0;
}

/* Which four labels stand before the zone, or 28 of 32 and the last four. */
static int has(const unsigned char *name, const unsigned char *end)
{
	static const unsigned char two[] = "\0012\0010\0010\003127", one[] = "\0011\0010\0010\003127", six[] = "\0012\0010\0010\0010";
	const unsigned char *zone = name;
	for (int i = 0; i < 4 && zone < end && *zone; i++)
		zone += *zone + 1;
	if (memcmp(name, one, sizeof one - 1) == 0)
		return 0;
	return memcmp(name, two, sizeof two - 1) == 0 || memcmp(name, six, sizeof six - 1) == 0 || begins(zone, "listed");
}

/* Turns a query of n bytes into the reply. */
static int reply(unsigned char *m, int n)
{
	static const unsigned char address[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 127, 0, 0, 2};
	static const unsigned char text[] = {0xc0, 12, 0, 16, 0, 1, 0, 0, 1, 44, 0, 7, 6, 'L', 'i', 's', 't', 'e', 'd'};
	static const unsigned char soa[] = {0, 0, 6, 0, 1, 0, 0, 1, 44, 0, 22, 0, 0, 0, 0, 0, 1, 0, 0, 1, 44, 0, 0, 1, 44, 0, 0, 1, 44, 0, 0, 1, 44};
	unsigned char *p = m + 12, *end = m + n;
	if (n < 17 || n > ROOM - 64)
		return 0;
	while (p < end && *p)
		p += *p + 1;
	if (p + 5 > end)
		return 0;
	int type = p[1] << 8 | p[2], found = has(m + 12, p) && (type == TYPE_A || type == TYPE_TXT);
	p += 5;
	m[2] = 0x81;
	m[3] = found ? 0x80 : 0x83;
	memset(m + 6, 0, 6);
	m[found ? 7 : 9] = 1;
	const unsigned char *record = !found ? soa : type == TYPE_A ? address : text;
	int size = !found ? sizeof soa : type == TYPE_A ? sizeof address : sizeof text;
	memcpy(p, record, size);
	return p + size - m;
}

static struct mmsghdr batch[BATCH];
static struct iovec pieces[BATCH];

/* The next n places as a batch, from place i on. */
static void point(unsigned long i, int n, int sending)
{
	for (int k = 0; k < n; k++) {
		struct held *h = &held[(i + k) % HELD];
		pieces[k] = (struct iovec){h->msg, sending ? h->len : ROOM};
		batch[k].msg_hdr = (struct msghdr){.msg_name = &h->to, .msg_namelen = sizeof h->to, .msg_iov = &pieces[k], .msg_iovlen = 1};
	}
}

static void receive(int s, long delay)
{
	int n = BATCH;
	while (n == BATCH && next - first <= HELD - BATCH) {
		point(next, BATCH, 0);
		n = recvmmsg(s, batch, BATCH, MSG_DONTWAIT, NULL);
		long due = now() + delay;
		for (int k = 0; k < n; k++) {
			struct held *h = &held[next++ % HELD];
			h->len = reply(h->msg, batch[k].msg_len);
			h->due = due;
		}
	}
}

static void send_due(int s)
{
	long t = now();
	while (first < next && held[first % HELD].due <= t) {
		int n = 0;
		while (n < BATCH && first + n < next && held[(first + n) % HELD].due <= t)
			n++;
		point(first, n, 1);
		int sent = sendmmsg(s, batch, n, 0);
		first += sent > 0 ? sent : 1; /* nobody is there to take the first */
	}
}

int main(int argc, char **argv)
{
	if (argc != 4)
		errx(100, "usage: lists address port milliseconds");
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
	if (inet_pton(AF_INET, argv[1], &at.sin_addr) != 1)
		errx(100, "%s: not an address", argv[1]);
	int room = 8 << 20, s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
	if (bind(s, (struct sockaddr *)&at, sizeof at))
		err(111, "%s port %s", argv[1], argv[2]);
	long delay = atol(argv[3]) * 1000000L;
	for (;;) {
		struct pollfd p = {.fd = s, .events = POLLIN};
		if (first == next)
			poll(&p, 1, -1);
		receive(s, delay);
		send_due(s);
		struct timespec tick = {.tv_nsec = 200000};
		nanosleep(&tick, NULL);
	}
}
