package configs

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"supd/socket"
)

// logger is a process whose output goes to a file.
type logger struct {
	name      string // "whois/web"
	app, user string
	file      string
	at        Place
}

// loggers are those of all apps in the order of files and lines.
func (c *Config) loggers() (all []logger) {
	for i := range c.Apps {
		all = append(all, c.Apps[i].loggers()...)
	}
	slices.SortStableFunc(all, func(a, b logger) int {
		return cmp.Or(cmp.Compare(a.at.File, b.at.File), cmp.Compare(a.at.Line, b.at.Line))
	})
	return all
}

// loggers have their places in the app's own file, also where the path is in [defaults]:
// what is wrong is wrong with that app.
func (a *App) loggers() (all []logger) {
	for i := range a.Processes {
		p := &a.Processes[i]
		if p.Log.To != LogFile || p.Log.File == "" {
			continue
		}
		at := a.place(p.Name, "log")
		if at.File != a.File {
			at = Place{a.File, p.Line, dotted("process", p.Name) + ".log"}
		}
		all = append(all, logger{a.Name + "/" + p.Name, a.Name, p.User, p.Log.File, at})
	}
	return all
}

// keepApart reports logs that would spoil another file: that of another app's user, one
// that a log is rotated to, or one of supd's own. where says what a path leads to.
func (c *Config) keepApart(all []logger, where func(string) string, to func(Place) *report) {
	first := map[string]logger{}
	for _, l := range all {
		at := where(l.file)
		other, shared := first[at]
		switch {
		case !shared:
			first[at] = l
		case other.app != l.app && other.user != l.user:
			to(l.at).add(l.at, "%s is already the log of %s, which is another app's and has another user; name another file", pathAt(l.file, at), other.name)
		}
	}
	own := c.ownPlaces(where)
	for _, l := range all {
		at := where(l.file)
		if other, is := first[rotatedFrom(at)]; is {
			to(l.at).add(l.at, "%s is what %s, the log of %s, is moved to when it is rotated; name another file", pathAt(l.file, at), other.file, other.name)
		}
		if why := own.holds(at); why != "" {
			to(l.at).add(l.at, "%s %s; name a file elsewhere, such as %s", pathAt(l.file, at), why, filepath.Join(c.Daemon.Logs, l.name+".log"))
		}
	}
}

// pathAt gives a path, and where it leads if that is elsewhere.
func pathAt(path, at string) string {
	if path == at {
		return path
	}
	return fmt.Sprintf("%s (%s)", path, at)
}

// rotatedFrom is the log that is rotated to a path, or compressed there, if a log of that
// name were rotated: the path of whois/web.log for web.log.1, web.log.1.gz and
// .web.log.gz. It is "" for any other.
func rotatedFrom(path string) string {
	dir, name := filepath.Split(path)
	rest, packed := strings.CutSuffix(name, ".gz")
	if hidden, is := strings.CutPrefix(rest, "."); is && packed && hidden != "" {
		return dir + hidden
	}
	dot := strings.LastIndexByte(rest, '.')
	if dot <= 0 {
		return ""
	}
	if n, err := strconv.Atoi(rest[dot+1:]); err != nil || n < 1 || strconv.Itoa(n) != rest[dot+1:] {
		return ""
	}
	return dir + rest[:dot]
}

// ownPlaces are the files and directories that supd, or somebody for it, reads and writes.
type ownPlaces struct {
	files map[string]string // what each is
	dirs  map[string]string // the key of each
	logs  string
}

func (c *Config) ownPlaces(where func(string) string) ownPlaces {
	o := ownPlaces{files: map[string]string{}, dirs: map[string]string{}}
	file := func(path, what string) {
		if path != "" {
			o.files[where(path)] = what
		}
	}
	for _, l := range c.listeners() {
		if path, unix := strings.CutPrefix(l.listen, "unix:"); unix {
			file(path, "is the address of "+l.name)
		}
	}
	for i := range c.Apps {
		a := &c.Apps[i]
		for k := range a.Processes {
			file(a.Processes[k].EnvFile, fmt.Sprintf("is the env_file of %s/%s", a.Name, a.Processes[k].Name))
		}
		file(a.File, "is the file of app "+a.Name)
	}
	file(c.Metrics.StatsdMapping, "is metrics.statsd_mapping")
	file(c.Metrics.Push.Credentials, "is metrics.remote_write_credentials")
	file(c.Path, "is supd's own configuration")
	dir := func(path string) string { return filepath.Dir(where(filepath.Join(path, "file"))) }
	for _, one := range [][2]string{
		{"daemon.drop_ins", c.Daemon.DropIns}, {"daemon.runtime", string(c.Daemon.Runtime)}, {"daemon.state", c.Daemon.State}, {"daemon.apps", c.Daemon.Apps},
	} {
		if key, path := one[0], one[1]; path != "" {
			o.dirs[dir(path)] = key
		}
	}
	if c.Daemon.Logs != "" {
		o.logs = dir(c.Daemon.Logs)
	}
	return o
}

// isRead are the keys of directories in which supd reads some names, and has none itself.
var isRead = map[string]bool{"daemon.apps": true, "daemon.drop_ins": true}

// holds says what of supd's own a path is or lies in, or "". Of directories in each other
// the innermost counts: logs may be kept beneath the runtime directory.
func (o ownPlaces) holds(path string) string {
	if what := o.files[path]; what != "" {
		return what
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if dir == o.logs {
			return ""
		}
		switch key := o.dirs[dir]; {
		case key == "":
		case !isRead[key]:
			return fmt.Sprintf("lies in %s, which is %s", dir, key)
		case isAppFile(filepath.Base(path)):
			return fmt.Sprintf("would be read as a file of %s", key)
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

// checkLogs keeps logs apart by what is written.
func (l *loader) checkLogs() {
	l.config.keepApart(l.config.loggers(), asWritten, func(at Place) *report { return cmp.Or(l.wrong[at.File], l.scope.report) })
}

// logs keeps them apart by what their paths lead to.
func (v *verification) logs() {
	all := v.config.loggers()
	for _, l := range all {
		if !v.patience.Answers(func() { _, _ = os.Lstat(l.file) }) { // what is wrong with it is said when it is opened
			v.report.add(l.at, "%s: %s", l.file, v.patience.Why())
		}
	}
	v.config.keepApart(all, v.led(socket.PlaceOf), func(Place) *report { return &v.report })
}

// led asks once where a path leads. One whose disk does not answer leads nowhere else.
func (v *verification) led(where func(string) string) func(string) string {
	known := map[string]string{}
	return func(path string) string {
		to, is := known[path]
		if !is {
			var found string
			if to = path; v.patience.Answers(func() { found = where(path) }) {
				to = found
			}
			known[path] = to
		}
		return to
	}
}

// checkOwnLogs does what Load has done for the app's file for the processes that only its
// release has.
func (l *loader) checkOwnLogs(a *App) {
	base := l.config.App(a.Name)
	if base == nil || len(a.Processes) == len(base.Processes) {
		return
	}
	var all []logger
	for _, one := range l.config.loggers() {
		if one.app != a.Name {
			all = append(all, one)
		}
	}
	l.config.keepApart(append(all, a.loggers()...), asWritten, func(Place) *report { return l.scope.report })
}
