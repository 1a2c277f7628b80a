/* Writes numbered lines of 100 bytes to its standard output, SIZE bytes with
   each write(2), and the times before the first and after the last of them
   into the FIFO: writer SIZE LINES FIFO. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 100 };

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void line(char *to, long number)
{
	int i;

	memset(to, 'x', LINE);
	to[LINE - 1] = '\n';
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
	size_t size = argc == 4 ? atol(argv[1]) : 0, total, done;
	long lines = argc == 4 ? atol(argv[2]) : 0, i;
	int64_t record[2];
	char *text;
	int fifo;

	total = (size_t)lines * LINE;
	text = malloc(total + 1);
	if (!size || !text)
		return 2;
	for (i = 0; i < lines; i++)
		line(text + i * LINE, i);
	record[0] = now();
	for (done = 0; done < total; done += size)
		all(1, text + done, total - done < size ? total - done : size);
	record[1] = now();
	fifo = open(argv[3], O_WRONLY);
	if (fifo < 0 || write(fifo, record, sizeof record) != sizeof record)
		return 1;
	for (;;)
		pause();
}
