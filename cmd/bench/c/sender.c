/* Sends what gunicorn says of requests to STATSD_PORT: argv[2] datagrams a second, or
   as fast as it can if that is 0; argv[3] of them, or without end if that is 0. Then it
   reports to the fifo argv[1], and waits. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char *texts[] = {
	"gunicorn.request.duration:12.345|ms",
	"gunicorn.requests:1|c|@1.0",
	"gunicorn.request.status.200:1|c|@1.0",
};

int main(int argc, char **argv)
{
	if (argc != 4 || !getenv("STATSD_PORT"))
		return 2;
	long rate = atol(argv[2]), count = atol(argv[3]), burst = rate / 1000;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(getenv("STATSD_PORT"))), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	if (connect(s, (struct sockaddr *)&to, sizeof to))
		return 3;
	struct timespec next;
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (long i = 0; count == 0 || i < count; i++) {
		if (send(s, texts[i % 3], strlen(texts[i % 3]), 0) < 0)
			return 4;
		if (burst && i % burst == burst - 1) {
			next.tv_nsec += 1000000;
			if (next.tv_nsec >= 1000000000) {
				next.tv_nsec -= 1000000000;
				next.tv_sec++;
			}
			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, 0);
		}
	}
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	int64_t record[2] = {getpid(), now.tv_sec * 1000000000LL + now.tv_nsec};
	int f = open(argv[1], O_WRONLY);
	if (f < 0 || write(f, record, sizeof record) != sizeof record)
		return 5;
	for (;;)
		pause();
}
