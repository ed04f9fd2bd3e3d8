/* The least a daemon can do: greet, read a line, leave. Linked without a C
 * library, so that what is measured is the front end. */
static long call(long number, long fd, const void *data, long size)
{
	long result;
	__asm__ volatile("syscall"
	                 : "=a"(result)
	                 : "a"(number), "D"(fd), "S"(data), "d"(size)
	                 : "rcx", "r11", "memory");
	return result;
}

void _start(void)
{
	char line[512];
	call(1, 1, "220 bench\r\n", 11);
	for (;;) {
		long n = call(0, 0, line, sizeof line);
		if (n <= 0 || line[n - 1] == '\n')
			call(231, 0, 0, 0);
	}
}
