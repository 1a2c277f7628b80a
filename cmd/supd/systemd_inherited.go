package main

import (
	"log/slog"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"supd/supervisor"
)

// firstInherited is the first inherited descriptor (sd_listen_fds(3)).
const firstInherited = 3

// inherited gives the sockets that supd was started with: those of socket units,
// and of the store. It removes the variables that name them, since a supd that
// replaces this one gets the sockets in another way.
//
// They are descriptors one after the other, so that the first one that is not open ends
// them, whatever the variable says.
func inherited(log *slog.Logger) []supervisor.Inherited { return inheritedFrom(firstInherited, log) }

func inheritedFrom(first int, log *slog.Logger) (all []supervisor.Inherited) {
	pid, count := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	names := strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	for _, name := range []string{"LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		os.Unsetenv(name)
	}
	n, err := strconv.Atoi(count)
	if err != nil || pid != strconv.Itoa(os.Getpid()) {
		return nil
	}
	for i := range n {
		one := supervisor.Inherited{Name: "unknown", Fd: first + i}
		if _, err := unix.FcntlInt(uintptr(one.Fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
			log.Warn("LISTEN_FDS says that there are more descriptors than supd was started with; the rest is left out", "says", n, "open", i)
			break
		}
		if i < len(names) && names[i] != "" {
			one.Name = names[i]
		}
		all = append(all, one)
	}
	return all
}
