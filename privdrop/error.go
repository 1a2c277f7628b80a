package privdrop

import "errors"

// Error is a system call of a launch that did not end as it must. The command
// was not run.
type Error struct {
	Call string // "setgroups", "chdir /srv/whois as whois", "check: taking root back"
	Err  error  // mostly a unix.Errno
}

func (e *Error) Error() string { return e.Call + ": " + e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

var errSucceeded = errors.New("succeeded, and must not")

// What Plan says of a command that cannot be run.
var (
	ErrNotFound      = errors.New("command not found")
	ErrNotExecutable = errors.New("command not executable")
)
