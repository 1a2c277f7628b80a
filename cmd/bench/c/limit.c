/* The least that supervision can cost: N children by vfork and execve, and
   each that dies is replaced at once, until TERM, which stops them all. No
   configuration, no log. With -d the children are nobody's: the least that a
   drop of privileges can cost. */
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOBODY = 65534 };

static volatile sig_atomic_t ended;
static int dropping;

static void end(int signal)
{
	ended = signal;
}

static void drop(void)
{
	umask(027);
	if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY) ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		_exit(126);
}

static void launch(char **argv)
{
	pid_t pid = vfork();

	if (pid == 0) {
		if (dropping)
			drop();
		execv(argv[0], argv);
		_exit(127);
	}
	if (pid < 0)
		exit(1);
}

int main(int argc, char **argv) /* limit [-d] N CHILD ARGUMENT… */
{
	struct sigaction act = { .sa_handler = end };
	siginfo_t dead;
	int n;

	if (argc > 1 && strcmp(argv[1], "-d") == 0) {
		dropping = 1;
		argc--;
		argv++;
	}
	n = argc > 2 ? atoi(argv[1]) : 0;
	sigaction(SIGTERM, &act, NULL);
	while (n-- > 0)
		launch(argv + 2);
	while (!ended) /* a TERM between this and the waitid is heard at the next death */
		if (waitid(P_ALL, 0, &dead, WEXITED) == 0 && !ended)
			launch(argv + 2);
	kill(0, SIGTERM);
	while (waitid(P_ALL, 0, &dead, WEXITED) == 0)
		;
	return 0;
}
