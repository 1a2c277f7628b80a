package main

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"supd/privdrop"
)

// ownSession decides whether the command gets a session of its own. One that runs as
// another user does when there is a terminal: whose controlling terminal it is may
// type into it (TIOCSTI in ioctl_tty(2); dev.tty.legacy_tiocsti = 0 forbids that from
// Linux 6.2 on), and what is typed so is read by the shell that suprun was started
// from, as its user.
func (o *options) ownSession() {
	a := o.launch.Account
	if !o.noSession && a != nil && a.UID != os.Geteuid() && hasTerminal() {
		o.launch.Session = true
	}
}

// hasTerminal reports whether this process has a controlling terminal. Where there is
// no /dev/tty, one of the standard descriptors may be it.
func hasTerminal() bool {
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

// staysBehind reports whether the new session is made in a child, with this process
// to wait for it: where setsid(2) refuses the leader of a process group, which is
// what a shell with job control makes of every command, and where there is a terminal
// to pass ^C and ^Z on from.
func (o *options) staysBehind() bool {
	pid := os.Getpid()
	sid, err := unix.Getsid(0)
	leads := unix.Getpgrp() == pid && err == nil && sid != pid // to Exec, a session's leader has one of its own
	return o.launch.Session && (leads || hasTerminal())
}

// attendant is this process, in the place that the command would have had.
type attendant struct {
	process *privdrop.Process
	signals chan os.Signal
	changes chan os.Signal // SIGCHLD: one is enough to look
}

// prepare is called before the launch, so that no signal is lost.
func (a *attendant) prepare() {
	a.signals, a.changes = make(chan os.Signal, 64), make(chan os.Signal, 1)
	signal.Notify(a.changes, unix.SIGCHLD)
	for n := unix.Signal(1); n <= 64; n++ {
		if isPassed(n) && !signal.Ignored(n) { // as nohup(1) has it
			signal.Notify(a.signals, n)
		}
	}
}

// isPassed leaves out what is about this process itself, and what Go's runtime uses.
func isPassed(sig unix.Signal) bool {
	switch sig {
	case unix.SIGKILL, unix.SIGSTOP, unix.SIGCHLD, unix.SIGURG, unix.SIGPROF, unix.SIGPIPE, unix.SIGTTIN, unix.SIGTTOU,
		unix.SIGILL, unix.SIGTRAP, unix.SIGABRT, unix.SIGBUS, unix.SIGFPE, unix.SIGSEGV, unix.SIGSYS, 32, 33:
		return false
	}
	return true
}

// wait passes signals on until the command has ended, and returns its exit status;
// 128 and the number of the signal that has ended it, as a shell has it. That one
// goroutine signals and reaps keeps the pid from being another's.
func (a *attendant) wait() int {
	for {
		select {
		case sig := <-a.signals:
			a.pass(sig.(unix.Signal))
		case <-a.changes:
			var status unix.WaitStatus
			pid, err := unix.Wait4(a.process.Pid, &status, unix.WNOHANG|unix.WUNTRACED, nil)
			switch {
			case err == unix.ECHILD:
				return exitFailed // SIGCHLD was ignored when suprun was started: nobody knows
			case pid != a.process.Pid:
			case status.Stopped():
				unix.Kill(os.Getpid(), unix.SIGSTOP) // for the shell to see; its CONT is passed on
			case status.Signaled():
				return 128 + int(status.Signal())
			default:
				return status.ExitStatus()
			}
		}
	}
}

// pass gives what a terminal sends to a whole process group to that of the command,
// and everything else to the command. Its group is orphaned, and so TSTP would not
// stop it (setpgid(2)).
func (a *attendant) pass(sig unix.Signal) {
	switch sig {
	case unix.SIGTSTP:
		unix.Kill(-a.process.Pid, unix.SIGSTOP)
	case unix.SIGINT, unix.SIGQUIT, unix.SIGHUP, unix.SIGWINCH, unix.SIGCONT:
		unix.Kill(-a.process.Pid, sig)
	default:
		_ = a.process.Signal(sig) // it has just ended, or it is a zombie
	}
}
