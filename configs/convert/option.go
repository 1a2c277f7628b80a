package convert

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"supd/configs"
)

// program is a [program:x] that is read, as a member of a group.
type program struct {
	*supervisord
	section *section
	group   string // "" is none but its own
	from    string // file that makes it a part of the group
	name    string
	old     string    // GROUP:NAME, or NAME alone
	x       expansion // of what is the same for all numbers
	inner   expansion // of the rest
	missing bool      // a variable's value, so that the program is left out
	done    bool      // it is converted, or was nothing
}

// get gives the value of an option, expanded; "" where it is not set or cannot be known.
// What is wrong, so that supervisord refuses the file, is an error of the file.
func (p *program) get(name string) (string, *option) { return p.getWith(name, p.x) }

func (p *program) getWith(name string, x expansion) (string, *option) {
	o := p.option(name)
	if o == nil {
		return "", nil
	}
	value, err := x.with(map[string]string{"here": filepath.Dir(absolute(o.file))}).expand(o.value)
	if missing, is := errors.AsType[unknownEnv](err); is {
		p.lacks(o, missing)
		return "", nil
	}
	if err != nil {
		p.fail(o, err)
		return "", nil
	}
	if x.later == nil && !p.fixed(o, value) {
		return "", nil
	}
	return value, o
}

// fixed wants a text without variables of the environment that are known only later.
func (p *program) fixed(o *option, text string) bool {
	for _, m := range p.marks.in(text) {
		if m.env != "" {
			p.lacks(o, unknownEnv{m.env})
			return false
		}
	}
	return true
}

// option is the section's, or that of [DEFAULT].
func (p *program) option(name string) *option {
	if o := p.section.option(name); o != nil {
		return o
	}
	return p.ini.defaults.option(name)
}

func (p *program) lacks(o *option, missing unknownEnv) {
	p.missing = true
	p.report.add(ByHand, p.old, o.place, fmt.Sprintf("not converted: %s has %s", o.name, missing))
}

func (p *program) integer(name string, otherwise int) int {
	value, o := p.get(name)
	return parsed(&p.errors, o, value, integer, otherwise, "is no whole number")
}

func (p *program) boolean(name string, otherwise bool) bool {
	value, o := p.get(name)
	return parsed(&p.errors, o, value, truth, otherwise, noTruth)
}

func (p *program) bytes(name string, otherwise int64) int64 {
	value, o := p.get(name)
	return parsed(&p.errors, o, value, bytes, otherwise, "is no size: want a number, or one with KB, MB or GB")
}

const noTruth = "is neither true nor false"

// parsed reads the value of an option; one that is nil is not set, and is what holds
// otherwise. wrong says what a value is that cannot be read.
func parsed[T any](errors *Errors, o *option, value string, read func(string) (T, bool), otherwise T, wrong string) T {
	if o == nil {
		return otherwise
	}
	v, ok := read(value)
	if !ok {
		errors.add(o.place, "%s: %q %s", o.name, value, wrong)
	}
	return v
}

func (p *program) differs(at *option, text string) { p.note(Different, at, text) }

func (p *program) note(kind Kind, at *option, text string) {
	line := p.section.place
	if at != nil {
		line = at.place
	}
	p.report.add(kind, p.old, line, text)
}

// programOptions are those of [program:x] and [fcgi-program:x], and what a known event
// listener adds to them.
var programOptions = []string{
	"command", "process_name", "numprocs", "numprocs_start", "priority", "autostart", "startsecs", "startretries",
	"autorestart", "exitcodes", "stopsignal", "stopwaitsecs", "stopasgroup", "killasgroup", "user", "redirect_stderr",
	"stdout_logfile", "stdout_logfile_maxbytes", "stdout_logfile_backups", "stdout_capture_maxbytes", "stdout_events_enabled", "stdout_syslog",
	"stderr_logfile", "stderr_logfile_maxbytes", "stderr_logfile_backups", "stderr_capture_maxbytes", "stderr_events_enabled", "stderr_syslog",
	"environment", "directory", "umask", "serverurl", "dependent_startup", "dependent_startup_wait_for", "dependent_startup_inherit_priority",
}

var socketOptions = []string{"socket", "socket_backlog", "socket_owner", "socket_mode"}

var listenerOptions = []string{"events", "buffer_size", "result_handler"}

// warnings notes what supervisord read otherwise than it was written.
func (s *supervisord) warnings(section *section, name string) {
	known := programOptions
	switch {
	case strings.HasPrefix(section.name, "fcgi-program:"):
		known = append(known[:len(known):len(known)], socketOptions...)
	case strings.HasPrefix(section.name, "eventlistener:"):
		known = append(known[:len(known):len(known)], listenerOptions...)
	}
	for _, again := range section.again {
		s.report.add(Converted, name, again, "a section of the same name again: what both say is one, the later value holds")
	}
	for _, o := range section.options {
		switch {
		case o.earlier == nil:
		case o.name == "command":
			s.report.add(Never, name, *o.earlier, fmt.Sprintf("[%s] has a command twice: it is one program to supervisord, which runs the later command; this one never ran", section.name))
		default:
			s.report.add(Converted, name, o.place, fmt.Sprintf("%s is set twice: the later value holds", o.name))
		}
		if !slices.Contains(known, o.name) {
			text := fmt.Sprintf("%s is no option of [%s], and was ignored", o.name, kindOf(section.name))
			if near := configs.Nearest(o.name, known); near != "" {
				text += fmt.Sprintf(": %s was meant?", near)
			}
			s.report.add(Never, name, o.place, text)
		}
		for _, i := range o.indented {
			if slices.Contains(known, i.name) {
				s.report.add(Never, name, i.place, fmt.Sprintf("%s is indented, so that supervisord takes the line as a part of %s", i.name, o.name))
			}
		}
	}
}

func kindOf(section string) string {
	kind, _, _ := strings.Cut(section, ":")
	return kind
}
