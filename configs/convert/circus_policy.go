package convert

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"supd/configs"
)

func (w *watcher) policy() {
	if !w.boolean("autostart", true) {
		w.d.set("autostart", "false")
	}
	if !w.boolean("respawn", true) {
		w.d.set("restart", quote("never"))
	}
	value, _ := w.get("stop_signal")
	sig, err := configs.ParseSignal(first(strings.ToUpper(value), "TERM"))
	if err != nil {
		w.errors.add(w.at("stop_signal"), "stop_signal: %s", err)
		return
	}
	step := "[" + quote(strings.TrimPrefix(configs.SignalName(sig), "SIG")) + ", " + duration(max(1, w.number("graceful_timeout", 30)))
	if w.boolean("stop_children", false) {
		step += ", " + quote("group")
	}
	w.d.set("stop", "["+step+"]]")
	if w.boolean("send_hup", false) {
		w.d.set("reload_signal", quote("HUP"))
	}
}

func (w *watcher) limits() {
	var limits []pair
	for _, o := range w.section.options {
		name, is := strings.CutPrefix(o.name, "rlimit_")
		if !is {
			continue
		}
		value, known := w.get(o.name)
		n, ok := integer(value)
		switch {
		case known == nil: // as get has said
		case !slices.Contains([]string{"nofile", "nproc", "core", "as", "fsize", "memlock", "stack"}, name):
			w.note(Dropped, o.name, o.name+" has no counterpart")
		case value == "" && name == "nofile":
			limits = append(limits, pair{name, itoa(mostFiles)})
			w.note(Different, o.name, fmt.Sprintf("rlimit_nofile without a number: it is %d here, the kernel's own limit (fs.nr_open) where nobody has raised that", mostFiles))
		case value == "":
			limits = append(limits, pair{name, quote("unlimited")})
		case ok && n >= 0:
			limits = append(limits, pair{name, itoa(n)})
		default:
			w.errors.add(o.place, "%s: %q is no number", o.name, value)
		}
	}
	if len(limits) > 0 {
		w.d.set("limits", inline(limits...))
	}
}

// output is where its streams go. A stream without a class is circusd's own.
func (w *watcher) output() {
	class, o := w.get("stdout_stream.class")
	errClass, errs := w.get("stderr_stream.class")
	path, _ := w.get("stdout_stream.filename")
	errPath, _ := w.get("stderr_stream.filename")
	if errs != nil && (errPath != path || streamKind(errClass) != streamKind(class)) {
		w.note(Different, "stderr_stream.class", "standard error goes where standard output goes; it had a stream of its own; with prefix = \"stream\" each line says which it is")
	}
	switch kind := streamKind(class); {
	case o == nil && errs == nil:
		w.note(Different, "", "the output is in the log of the process; without a stream it was circusd's own")
	case kind == "stdout" || o == nil && streamKind(errClass) == "stdout":
		w.d.set("log", inline(pair{"to", quote("stdout")}))
	case kind == "file" || o == nil && streamKind(errClass) == "file":
		w.logFile(first(path, errPath))
	default:
		w.note(ByHand, "stdout_stream.class", fmt.Sprintf("stdout_stream.class=%s: the output is in the log of the process, and goes nowhere else", printable(class)))
	}
}

func streamKind(class string) string {
	switch class[strings.LastIndexByte(class, '.')+1:] {
	case "FileStream", "WatchedFileStream", "TimedRotatingFileStream":
		return "file"
	case "StdoutStream", "FancyStdoutStream":
		return "stdout"
	}
	return class
}

func (w *watcher) logFile(path string) {
	if path == "" {
		return
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(first(w.options.Directory, "/"), path)
		w.note(Different, "stdout_stream.filename", relativeLog)
	}
	pairs := []pair{{"file", quote(literal(path))}, {"max_size", size(int64(w.number("stdout_stream.max_bytes", 0)))}}
	if when, o := w.get("stdout_stream.rotate_when"); o != nil {
		pairs = append(pairs, pair{"max_age", duration(max(60, rotateAfter(when)*max(1, w.number("stdout_stream.rotate_interval", 1))))})
		w.note(Different, o.name, "the log is rotated after max_age; circus rotated at the turn of the day or hour")
	}
	for _, name := range []string{"stdout_stream.time_format", "stderr_stream.time_format"} {
		if w.section.option(name) != nil {
			w.note(Different, name, "time_format: lines are kept as they are written; prefix = true in log writes the time before each")
		}
	}
	if keep := int(w.number("stdout_stream.backup_count", 0)); keep > 0 {
		pairs = append(pairs, pair{"keep", itoa(keep)})
	}
	w.d.set("log", inline(pairs...))
}

// rotateAfter is the unit of TimedRotatingFileStream, in seconds.
func rotateAfter(when string) float64 {
	switch when = strings.ToUpper(when); {
	case when == "S":
		return 1
	case when == "M":
		return 60
	case when == "H":
		return 3600
	case strings.HasPrefix(when, "W"):
		return 7 * 86400
	}
	return 86400 // D, MIDNIGHT
}

// listen gives it the sockets that its command names, or all.
func (w *watcher) listen(a *app) {
	if !w.boolean("use_sockets", false) && len(w.uses) == 0 {
		return
	}
	if len(w.uses) == 0 {
		for _, s := range w.ini.sections {
			if name, is := strings.CutPrefix(s.name, "socket:"); is {
				w.uses = append(w.uses, strings.ToLower(name))
			}
		}
	}
	var names []string
	for _, name := range w.uses {
		if w.socket(a, name) {
			names = append(names, socketNameOf(name))
		}
	}
	if len(names) > 0 {
		w.d.set("sockets", list(names))
	}
}

// socket makes the [socket.NAME] of one of circus', once for each app.
func (w *watcher) socket(a *app, name string) bool {
	i := slices.IndexFunc(w.ini.sections, func(s *section) bool { return strings.EqualFold(s.name, "socket:"+name) })
	if i < 0 {
		w.broken = true
		w.note(ByHand, "cmd", "not converted: there is no [socket:"+printable(name)+"]")
		return false
	}
	if slices.ContainsFunc(a.sockets, func(l listener) bool { return l.name == socketNameOf(name) }) {
		return true
	}
	s := w.ini.sections[i]
	l := listener{name: socketNameOf(name)}
	if path := s.option("path"); path != nil {
		l.keys = []pair{{"listen", quote("unix:" + literal(path.value))}, {"mode", quote("0660")}}
		w.report.add(Different, w.name, path.place, "the socket's mode is 0660: circus made it by its umask, for every user mostly; see user, group and mode")
	} else {
		kind := "tcp:"
		if o := s.option("type"); o != nil && strings.EqualFold(o.value, "SOCK_DGRAM") {
			kind = "udp:"
		}
		host, port := first(optionValue(s, "host"), "localhost"), first(optionValue(s, "port"), "8080")
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		address, _ := w.fixed("host", kind+host+":"+port)
		l.keys = []pair{{"listen", quote(literal(address))}}
	}
	if o := s.option("backlog"); o != nil {
		if n, ok := integer(o.value); ok && n > 0 {
			l.keys = append(l.keys, pair{"backlog", itoa(n)})
		}
	}
	if o := s.option("interface"); o != nil {
		w.report.add(ByHand, w.name, o.place, "interface: a socket is bound to an address, and not to an interface: write one of that interface's into listen")
	}
	for _, name := range []string{"umask", "replace", "use_papa", "proto", "family"} {
		if o := s.option(name); o != nil {
			w.report.add(Different, w.name, o.place, name+" of a socket is left out: see mode, user and group of [socket.NAME]; what is left of a dead one is replaced")
		}
	}
	if o := s.option("so_reuseport"); o != nil {
		if yes, _ := truth(o.value); yes {
			w.report.add(Different, w.name, o.place, "so_reuseport: one socket is bound, which all workers have; circus bound one for each")
		}
	}
	a.sockets = append(a.sockets, l)
	return true
}

// left notes options that have no place here, and those that circus does not know.
func (w *watcher) left() {
	for _, o := range w.section.options {
		switch {
		case strings.HasPrefix(o.name, "hooks."):
			w.note(ByHand, o.name, o.name+" is Python in circusd: write a command as one of hooks")
		case o.name == "priority" && o.value != "0":
			w.note(Different, o.name, "priority is left out: processes start at the same time; after = [\"OTHER\"] waits until OTHER is ready")
		case o.name == "max_age" && o.value != "0":
			w.note(ByHand, o.name, "max_age: workers are not replaced by age; a timer with supctl restart does it")
		case o.name == "on_demand" && w.boolean("on_demand", false):
			w.note(Different, o.name, "on_demand: it is started at once, and not by the first connection")
		case o.name == "executable", o.name == "shell_args":
			w.note(ByHand, o.name, o.name+" is left out: write the command as it is to be run")
		case strings.HasPrefix(o.name, "close_child_") && w.boolean(o.name, false):
			w.note(Dropped, o.name, "close_child_stdout and the like: standard input is /dev/null, and the outputs go to the log")
		case o.name == "stdin_socket":
			w.note(ByHand, o.name, "stdin_socket: sockets are descriptors from 3 on")
		case o.name == "warmup_delay" && o.value != "0", o.name == "copy_path", o.name == "use_papa":
			w.note(Dropped, o.name, "warmup_delay, copy_path and use_papa have no counterpart")
		case !slices.Contains(watcherOptions, o.name) && !strings.HasPrefix(o.name, "rlimit_") && !strings.HasPrefix(o.name, "stdout_stream") && !strings.HasPrefix(o.name, "stderr_stream"):
			text := o.name + " is no option of [watcher], and was ignored"
			if near := configs.Nearest(o.name, watcherOptions); near != "" {
				text += ": " + near + " was meant?"
			}
			w.note(Never, o.name, text)
		}
	}
}
