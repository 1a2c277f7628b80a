package privdrop

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// cause adds to a call that has failed what its error number does not say, as far as
// that can be found out afterwards.
func (p *Plan) cause(failed *call, err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	var why error
	switch {
	case failed.nr == unix.SYS_EXECVE:
		why = p.whyNotExecuted(e.Err)
	case failed.nr == unix.SYS_CHDIR && e.Err == unix.EACCES:
		why = p.reach(p.dir)
	case failed.nr == unix.SYS_PRLIMIT64 && e.Err == unix.EPERM:
		why = whyNoLimit(strings.TrimPrefix(failed.name, "setrlimit "))
	case failed.nr == unix.SYS_SETPRIORITY && e.Err == unix.EACCES:
		why = errTooNice
	case failed.name == "write oom_score_adj" && e.Err == unix.EACCES:
		why = errScore
	}
	if why == nil {
		return err
	}
	return &Error{Call: e.Call, Err: fmt.Errorf("%w: %w", e.Err, why)}
}

// whyNotExecuted goes by execve(2). That a script and its interpreter are there was
// looked at before.
func (p *Plan) whyNotExecuted(errno error) error {
	file := fromDir(p.path, p.dir)
	switch errno {
	case unix.EACCES:
		if err := p.reach(file); err != nil {
			return err
		}
		if script, err := p.view.ScriptAt(file, p.account.Files()); err == nil && script.Interpreter != "" {
			return p.reach(script.Interpreter)
		}
	case unix.EAGAIN: // of the change of user, which execve is the one to tell (setuid(2))
		if p.account == nil {
			return nil
		}
		return fmt.Errorf("user %[1]s has more processes than its limit nproc lets it have, whoever has started them (ps -U %[1]s); raise limits.nproc, which is supd's own limit where it is not set", p.account.title())
	case unix.ENOEXEC:
		return errors.New("it has no #! line, and is no program for this machine; begin a script with a line such as #!/bin/sh")
	case unix.ENOENT:
		return errors.New("the file is there, but not the loader that it was linked for: is it made for another machine, or another C library?")
	case unix.ETXTBSY:
		return errors.New("somebody has it open to write to it; install a new file beside it, and rename that")
	}
	return nil
}

func (p *Plan) reach(path string) error {
	if p.account == nil {
		return nil
	}
	return p.account.Reach(p.view, path)
}

// whyNoLimit goes by setrlimit(2), of a limit that an app file can set.
func whyNoLimit(name string) error {
	why := fmt.Sprintf("it is above the hard limit of what launches it (Limit%s= of supd's unit), which only CAP_SYS_RESOURCE may exceed", strings.ToUpper(name))
	if name == "nofile" {
		why += ", or above what nobody may (sysctl fs.nr_open)"
	}
	return errors.New(why + "; raise that, or lower limits." + name)
}

// whyNotCloned goes by clone(2) and pids in cgroups(7).
func whyNotCloned(errno unix.Errno) error {
	if errno != unix.EAGAIN {
		return errno
	}
	return fmt.Errorf("%w: there are as many processes as may be: by TasksMax= of supd's unit (pids.max of its control group or one above), by kernel.threads-max or kernel.pid_max, or, without root, by the limit nproc of supd's user", errno)
}

// errTooNice goes by setpriority(2), errScore by proc_pid_oom_score_adj(5).
var (
	errTooNice = errors.New("it is lower than its launcher's own, which takes CAP_SYS_NICE, or LimitNICE= of supd's unit; raise nice, or that")
	errScore   = errors.New("it is lower than its launcher's own (OOMScoreAdjust= of supd's unit), which takes CAP_SYS_RESOURCE; raise oom_score_adjust, or lower that")
)
