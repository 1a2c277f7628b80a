package attend

import (
	"errors"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"supd/privdrop"
)

// ErrUnknown says that nobody knows how the command has ended: SIGCHLD was ignored when
// this process was started.
var ErrUnknown = errors.New("it is not known how the command has ended: SIGCHLD was ignored from the beginning")

// Run starts a command that gets a session of its own, or has no terminal, and waits for
// its end. started is called once it runs; after an error other than ErrUnknown it does
// not.
func Run(plan *privdrop.Plan, started func()) (End, error) {
	var a attendant
	a.prepare()
	var err error
	if a.process, err = plan.Start(); err != nil {
		return End{}, err
	}
	started()
	return a.wait()
}

// End is how a command has ended.
type End struct {
	Code   int
	Signal unix.Signal // 0: it has exited with Code
}

// Status is the exit status; 128 and the number of the signal that has ended it, as a
// shell has it.
func (e End) Status() int {
	if e.Signal != 0 {
		return 128 + int(e.Signal)
	}
	return e.Code
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

// wait passes signals on until the command has ended. That one goroutine signals and reaps
// keeps the pid from being another's.
func (a *attendant) wait() (End, error) {
	for {
		select {
		case sig := <-a.signals:
			a.pass(sig.(unix.Signal))
		case <-a.changes:
			var status unix.WaitStatus
			pid, err := unix.Wait4(a.process.Pid, &status, unix.WNOHANG|unix.WUNTRACED, nil)
			switch {
			case err == unix.ECHILD:
				return End{}, ErrUnknown
			case pid != a.process.Pid:
			case status.Stopped():
				unix.Kill(os.Getpid(), unix.SIGSTOP) // for the shell to see; its CONT is passed on
			case status.Signaled():
				return End{Signal: status.Signal()}, nil
			default:
				return End{Code: status.ExitStatus()}, nil
			}
		}
	}
}

// pass gives the command a signal that this process has got.
func (a *attendant) pass(sig unix.Signal) {
	sig, all := Route(sig)
	if all {
		a.passAll(sig)
	} else {
		_ = a.process.Signal(sig) // it has just ended, or it is a zombie
	}
	if Ends(sig) {
		a.passAll(unix.SIGCONT)
	}
}

// Route says what a command with a session of its own is to get in the place of a signal,
// and whether all of its process group: of what a terminal sends to a whole group. Its group
// is orphaned, and so TSTP would not stop it (setpgid(2)).
func Route(sig unix.Signal) (to unix.Signal, all bool) {
	switch sig {
	case unix.SIGTSTP:
		return unix.SIGSTOP, true
	case unix.SIGINT, unix.SIGQUIT, unix.SIGHUP, unix.SIGWINCH, unix.SIGCONT:
		return sig, true
	}
	return sig, false
}

// Ends reports whether a signal is to end a command, which heeds none while it is stopped:
// CONT has to follow it.
func Ends(sig unix.Signal) bool {
	return sig == unix.SIGTERM || sig == unix.SIGINT || sig == unix.SIGQUIT || sig == unix.SIGHUP
}

// passAll is for the whole group; a command without one of its own is alone.
func (a *attendant) passAll(sig unix.Signal) {
	if pgid, err := unix.Getpgid(a.process.Pid); err == nil && pgid == a.process.Pid {
		unix.Kill(-a.process.Pid, sig)
		return
	}
	_ = a.process.Signal(sig)
}
