package attend

import (
	"os"

	"golang.org/x/sys/unix"

	"supd/privdrop"
)

// OwnSession reports whether a command with that account, nil for this process's own, is
// to have a session of its own: it runs as another user, and there is a terminal. Whose
// controlling terminal that is may type into it (TIOCSTI in ioctl_tty(2);
// dev.tty.legacy_tiocsti = 0 forbids that from Linux 6.2 on), and what is typed so is read
// by the shell that has started this process, as its user.
func OwnSession(a *privdrop.Account) bool {
	return a != nil && a.UID != os.Geteuid() && HasTerminal()
}

// HasTerminal reports whether this process has a controlling terminal. Where there is
// no /dev/tty, one of the standard descriptors may be it.
func HasTerminal() bool {
	if fd, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0); err == nil {
		unix.Close(fd)
		return true
	}
	for fd := range 3 {
		if _, err := unix.IoctlGetInt(fd, unix.TIOCGSID); err == nil { // of another session's: ENOTTY
			return true
		}
	}
	return false
}

// IsNeeded reports whether a command that gets a session of its own has to be started in a
// child, with this process to wait for it: where setsid(2) refuses the leader of a process
// group, which is what a shell with job control makes of every command, and where there is
// a terminal to pass ^C and ^Z on from.
func IsNeeded() bool {
	pid := os.Getpid()
	sid, err := unix.Getsid(0)
	leads := unix.Getpgrp() == pid && err == nil && sid != pid // to Exec, a session's leader has one of its own
	return leads || HasTerminal()
}
