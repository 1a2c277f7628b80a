package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/supervisor"
	"supd/supervisor/control"
)

// checkTime is how long the installed supd may take to say whether it could go on.
const checkTime = 30 * time.Second

// replacement is the installed supd, which may take the place of this one.
type replacement struct {
	supervisor *supervisor.Supervisor
	config     *configs.Config // that this one was started with
	options    options
	program    string   // see startPath; "" is not known
	environ    []string // the environment that this one was started with
	orders     chan os.Signal
	stop       context.Context // done once supd was told to stop
	flush      func()          // of supd's own log
}

var (
	errStops  = errors.New("supd is stopping")
	errSilent = fmt.Errorf("the installed supd has not said within %s whether it can go on: a disk or the user database does not answer, or the machine is very busy; try again", checkTime)
)

// startPath is the path that this program was started by: the next version gets that name,
// or a link that is there, whatever becomes of the file. Where it is not known, it is the
// path of the file.
func startPath() (string, error) {
	path, err := exec.LookPath(os.Args[0])
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err == nil && isThisProgram(path) {
		return path, nil
	}
	return os.Executable()
}

func isThisProgram(path string) bool {
	this, err := os.Stat("/proc/self/exe")
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(this, there)
}

// installed is the program that is to take the place of this one: that at the path that
// this one was started by, or its own where nothing is there any more.
func (r *replacement) installed() (string, error) {
	if _, err := os.Stat(r.program); !errors.Is(err, fs.ErrNotExist) { // as it is of ""
		return r.program, nil
	}
	path, err := os.Readlink("/proc/self/exe")
	return strings.TrimSuffix(path, " (deleted)"), err
}

// arguments say to another supd what they have said to this one, wherever it is started.
func (o options) arguments(program string) []string {
	all := []string{program, "--config", o.config}
	if o.pidfile != "" {
		all = append(all, "--pidfile", o.pidfile)
	}
	return all
}

// Check runs the installed program, which looks at everything that it would have to
// read.
func (r *replacement) Check(ctx context.Context) (*control.Successor, error) {
	path, err := r.installed()
	if err != nil {
		return nil, err
	}
	if r.supervisor.Stops() {
		return nil, errStops
	}
	if all := r.supervisor.Commands(); len(all) > 0 {
		return nil, fmt.Errorf("commands run that it would know nothing of: %s; wait for their end, or end them", strings.Join(all, ", "))
	}
	ctx, cancel := context.WithTimeoutCause(ctx, checkTime, errSilent)
	defer cancel()
	word := rand.Text()
	said, err := r.supervisor.RunCommand(ctx, append(r.options.arguments(path), "--check-takeover", word), r.environ)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, err
	}
	next, err := parseConsent(said, word)
	if err != nil {
		return nil, fmt.Errorf("the installed program, %s, is no supd: %w", path, err)
	}
	if next.Socket == r.config.Control.Socket {
		next.Socket = ""
	}
	return &next, nil
}

// Exec calls gone before execve, and returns only if it has failed. SIGHUP and SIGUSR1 are
// ignored until the next program handles them: before that they would end it. SIGTERM
// cannot be blocked meanwhile, since Go's runtime clears the mask that it is started with.
func (r *replacement) Exec(gone func()) error {
	path, err := r.installed()
	if err != nil {
		return err
	}
	argv := r.options.arguments(path)
	if r.options.ready != 0 {
		argv = append(argv, "--ready-fd", r.options.ready.String())
	}
	return r.supervisor.Reexec(context.Background(), func() error {
		signal.Ignore(unix.SIGHUP, unix.SIGUSR1)
		defer signal.Notify(r.orders, unix.SIGHUP, unix.SIGUSR1)
		if r.stop.Err() != nil {
			return errStops
		}
		release, err := r.supervisor.HoldSockets([]string{"/proc/self/exe", holdSockets})
		if err != nil {
			return fmt.Errorf("holding the connections until they are closed: %w", err)
		}
		defer release()
		gone()
		r.removeSockets()
		r.flush()
		return os.NewSyscallError("execve "+path, syscall.Exec(path, argv, r.environ))
	})
}

// holdSockets is the one argument of the child that HoldSockets runs.
const holdSockets = "--hold-sockets"

// removeSockets removes the paths of the sockets that this supd serves itself. The next one
// binds its own, and would take for another supd who still listens at them: what HoldSockets
// runs may end after it has begun. If there is none in the end they come back, as whenever
// somebody removes them.
func (r *replacement) removeSockets() {
	removeSocket(r.config.Control.Socket)
	if path, isUnix := strings.CutPrefix(r.config.Metrics.Listen, "unix:"); isUnix {
		removeSocket(path)
	}
}

func removeSocket(path string) {
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == fs.ModeSocket {
		os.Remove(path)
	}
}

// consent is what a supd says that could go on: no other program does.
type consent struct {
	Word string `json:"supd"` // that it was given
	control.Successor
}

func parseConsent(said, word string) (control.Successor, error) {
	said = strings.TrimSpace(said)
	var c consent
	if err := json.Unmarshal([]byte(said[strings.LastIndex(said, "\n")+1:]), &c); err != nil || c.Word != word {
		return c.Successor, fmt.Errorf("asked whether it could go on, it has said %q", said)
	}
	return c.Successor, nil
}

// checkTakeover is what Check runs.
func checkTakeover(config *configs.Config, o options, stdout io.Writer) error {
	if err := errors.Join(supervisor.CheckTakeover(config), checkPidfile(o.pidfile, os.Getppid())); err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(consent{o.takes, control.Successor{Socket: config.Control.Socket}})
}
