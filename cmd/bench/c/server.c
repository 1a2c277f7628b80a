/* An application whose own start takes a known time: server MILLISECONDS. It is
   ready then, says so to NOTIFY_SOCKET where there is one, and answers 200 to
   whoever connects to the last socket that it has inherited: where there is one
   for probes, it is that. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static void notify(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t length = strlen(path);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || length >= sizeof to.sun_path)
		exit(1);
	memcpy(to.sun_path, path, length);
	if (path[0] == '@')
		to.sun_path[0] = 0;
	if (sendto(fd, "READY=1", 7, 0, (struct sockaddr *)&to, offsetof(struct sockaddr_un, sun_path) + length) != 7)
		exit(1);
	close(fd);
}

static void answer(int fd)
{
	static const char ok[] = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
	char request[4096];

	if (read(fd, request, sizeof request) > 0 && write(fd, ok, sizeof ok - 1) < 0)
		perror("write");
	close(fd);
}

int main(int argc, char **argv)
{
	long ms = argc > 1 ? atol(argv[1]) : 0;
	struct timespec start = { ms / 1000, ms % 1000 * 1000000 };
	const char *sockets = getenv("LISTEN_FDS");
	int last = sockets ? 2 + atoi(sockets) : -1, fd;

	nanosleep(&start, NULL);
	if (getenv("NOTIFY_SOCKET"))
		notify(getenv("NOTIFY_SOCKET"));
	while ((fd = accept(last, NULL, NULL)) >= 0)
		answer(fd);
	for (;;)
		pause();
}
