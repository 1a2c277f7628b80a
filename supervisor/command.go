package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/privdrop"
	"supd/supervisor/api"
	"supd/supervisor/launch"
	"supd/supervisor/release"
)

// Command is one that runs with what the workers of an app have, in no slot. It needs no
// supd.
type Command struct {
	App     string
	Process string // whose user, environment and limits it has; "": what holds for all
	Version string // of the release; "": the active one
	Argv    []string
	Env     []string // beside what is configured, "NAME=value"
}

// CommandError is why a command cannot be run; Code is the exit code that it leads to.
type CommandError struct {
	Code int
	Err  error
}

func (e *CommandError) Error() string { return e.Err.Error() }
func (e *CommandError) Unwrap() error { return e.Err }

// Spec says how the command is to be launched under the configuration, by this process. It
// may block. The error is a *CommandError.
func (r Command) Spec(c *configs.Config) (privdrop.Spec, error) {
	spec, err := r.spec(c)
	var known *CommandError
	var wrong *configs.Errors
	var rights *rightsError
	switch {
	case err == nil, errors.As(err, &known):
	case errors.As(err, &rights), errors.Is(err, fs.ErrPermission):
		err = &CommandError{api.CodeDenied, err}
	case errors.As(err, &wrong):
		err = &CommandError{api.CodeInvalid, err}
	default:
		err = &CommandError{api.CodeNotStarted, err}
	}
	return spec, err
}

func (r Command) spec(c *configs.Config) (none privdrop.Spec, err error) {
	a := c.App(r.App)
	if a == nil {
		return none, r.unknown("no app %q: there is no %s.toml in %s", r.App, r.App, c.Daemon.Apps)
	}
	if err := r.mayBe(a); err != nil {
		return none, err
	}
	v, err := r.version(c, a)
	if err != nil {
		return none, err
	}
	p, err := r.process(c, a, v)
	if err != nil {
		return none, err
	}
	as, err := r.account(p)
	if err != nil {
		return none, err
	}
	if p.EnvFile != "" { // which may be for root alone
		if err := unix.Access(p.EnvFile, unix.R_OK); errors.Is(err, unix.EACCES) {
			return none, &fs.PathError{Op: "env_file", Path: p.EnvFile, Err: err}
		}
	}
	return launch.Command(launch.Spec{App: r.App, Process: p, Account: as, Release: v}, r.Argv, r.Env)
}

func (Command) unknown(format string, args ...any) error {
	return &CommandError{api.CodeNoTarget, fmt.Errorf(format, args...)}
}

// mayBe wants this process to be root, or whose files the app's are: before it fails to
// read them.
func (r Command) mayBe(a *configs.App) error {
	p := &configs.Process{User: a.User, Group: a.Group}
	if own := a.Process(r.Process); own != nil {
		p = own
	}
	_, err := r.account(p)
	return err
}

func (r Command) account(p *configs.Process) (*privdrop.Account, error) {
	as, err := account(p)
	if rights := new(rightsError); errors.As(err, &rights) {
		return nil, &CommandError{api.CodeDenied, fmt.Errorf("commands of %s run as %s; be root, or that user", r.App, p.User)}
	}
	return as, err
}

// version is the release that the command runs with, nil where the app has none.
func (r Command) version(c *configs.Config, a *configs.App) (*configs.Version, error) {
	switch {
	case a.Release == nil && r.Version != "":
		return nil, r.unknown("%s has no [release] in %s, and so no release %s", r.App, a.File, r.Version)
	case a.Release == nil:
		return nil, nil
	}
	s := &Supervisor{store: release.Open(c.Daemon.State)}
	if r.Version == "" {
		state, err := release.ReadState(s.store.StatePath(r.App))
		if errors.Is(err, fs.ErrPermission) {
			if one, err := s.store.Current(r.App); err == nil {
				v := versionOf(one)
				return &v, nil
			}
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("release state: %w", err)
		}
		v, err := s.activeVersion(r.App, state)
		if v == nil && err == nil {
			return nil, r.unknown("%s: no release is active; name one with --release, or deploy one", r.App)
		}
		return v, err
	}
	one, err := s.store.Get(r.App, r.Version)
	switch {
	case errors.Is(err, release.ErrUnknown):
		return nil, r.unknown("%s %s is not registered; `supctl releases %s` shows those that are", r.App, r.Version, r.App)
	case err != nil:
		return nil, err
	case !one.Present():
		return nil, r.unknown("the files of %s %s are gone from %s; install the package again", r.App, r.Version, one.Files())
	}
	v := versionOf(one)
	return &v, nil
}

// process is what is said of the process, or of all.
func (r Command) process(c *configs.Config, a *configs.App, v *configs.Version) (*configs.Process, error) {
	if v != nil {
		with, err := c.With(r.App, *v)
		if err != nil {
			return nil, err
		}
		if with.Release.InPlace() && v.Files != v.Path {
			if err := privdrop.CanMount(); err != nil {
				return nil, &rightsError{fmt.Errorf("%s: release.path: the command needs a mount namespace, and %s cannot make one: %w", a.File, privdrop.UserName(os.Geteuid()), err)}
			}
		}
		a = with
	}
	if r.Process == "" {
		return c.Bare(r.App, v)
	}
	p := a.Process(r.Process)
	if p == nil {
		return nil, r.unknown("no [process.%s] in %s", r.Process, a.File)
	}
	return p, nil
}
