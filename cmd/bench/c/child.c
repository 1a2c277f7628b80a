/* The program that is launched. Without an argument it ends at once; with one,
   it writes its pid and the time at which it was in its main into that FIFO,
   and stays. */
#include <fcntl.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct timespec now;
	int64_t record[2];
	int fifo;

	if (argc < 2)
		return 0;
	clock_gettime(CLOCK_MONOTONIC, &now);
	record[0] = getpid();
	record[1] = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	fifo = open(argv[1], O_WRONLY);
	if (fifo < 0 || write(fifo, record, sizeof record) != sizeof record)
		return 1;
	close(fifo);
	for (;;)
		pause();
}
