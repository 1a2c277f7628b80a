/* Writes numbered lines of LENGTH bytes to its standard output, SIZE bytes with
   each write(2), and into the FIFO the times before the first and after the last of
   them, and the processor time that they took: writer LENGTH SIZE LINES FIFO. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void line(char *to, size_t length, long number)
{
	int i;

	memset(to, 'x', length);
	to[length - 1] = '\n';
	to[10] = ' ';
	for (i = 9; i >= 0; i--, number /= 10)
		to[i] = '0' + number % 10;
}

static void all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t w = write(fd, p, n);
		if (w < 0)
			_exit(1);
		p += w;
		n -= w;
	}
}

int main(int argc, char **argv)
{
	size_t length = argc == 5 ? atol(argv[1]) : 0, size = argc == 5 ? atol(argv[2]) : 0, total, done;
	long lines = argc == 5 ? atol(argv[3]) : 0, i;
	int64_t record[4] = { 0 };
	char *text;
	int fifo;

	total = (size_t)lines * length;
	text = malloc(total + 1);
	if (length < 12 || !size || !text)
		return 2;
	for (i = 0; i < lines; i++)
		line(text + i * length, length, i);
	record[2] = -now(CLOCK_PROCESS_CPUTIME_ID);
	record[0] = now(CLOCK_MONOTONIC);
	for (done = 0; done < total; done += size)
		all(1, text + done, total - done < size ? total - done : size);
	record[1] = now(CLOCK_MONOTONIC);
	record[2] += now(CLOCK_PROCESS_CPUTIME_ID);
	fifo = open(argv[4], O_WRONLY);
	if (fifo < 0 || write(fifo, record, sizeof record) != sizeof record)
		return 1;
	for (;;)
		pause();
}
