package configs

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
)

// logKinds exclude each other: a file that is named, and what is not a file.
var logKinds = []string{"to", "file"}

var logKeys = []key[Log]{
	field("to", func(l *Log) *LogTarget { return &l.To }, one(append([]LogTarget{LogFile}, otherTargets...)...)),
	field("file", func(l *Log) *string { return &l.File }, logFile),
	field("max_size", func(l *Log) *int64 { return &l.MaxSize }, size),
	field("max_age", func(l *Log) *time.Duration { return &l.MaxAge }, duration(0)),
	field("keep", func(l *Log) *int { return &l.Keep }, count(1)),
	field("max_total", func(l *Log) *int64 { return &l.MaxTotal }, size),
	field("compress", func(l *Log) *bool { return &l.Compress }, boolean),
	field("prefix", func(l *Log) *Prefix { return &l.Prefix }, prefix),
	field("address", func(l *Log) *string { return &l.Address }, syslogAddress),
	field("facility", func(l *Log) *Facility { return &l.Facility }, one(facilities...)),
}

// logKeysOf are the settings that belong to some targets alone.
var logKeysOf = map[string][]LogTarget{
	"file": {LogFile}, "max_size": {LogFile}, "max_age": {LogFile}, "keep": {LogFile}, "max_total": {LogFile}, "compress": {LogFile},
	"prefix":  {LogFile, LogStdout},
	"address": {LogSyslog}, "facility": {LogSyslog},
}

// prefix is true for the usual one.
func prefix(in input) (Prefix, bool) {
	switch {
	case in.Kind == aBool && in.Text == "true":
		return PrefixName, true
	case in.Kind == aBool:
		return "", true
	case in.Kind == aString && slices.Contains([]Prefix{PrefixName, PrefixStream, PrefixJSON, PrefixJSONStream}, Prefix(in.Text)):
		return Prefix(in.Text), true
	}
	in.fail(`want true (time and worker before each line), "stream" (and which output it is), "json" (each line an object), "json-stream" or false`)
	return "", false
}

// otherTargets are no files.
var otherTargets = []LogTarget{LogJournal, LogStdout, LogSyslog, LogNone}

// logFile is a path. The name of another target is hardly meant as one, and these
// devices are no files.
func logFile(in input) (string, bool) {
	devices := map[string]LogTarget{"/dev/stdout": LogStdout, "/dev/stderr": LogStdout, "/dev/fd/1": LogStdout, "/dev/fd/2": LogStdout,
		"/proc/self/fd/1": LogStdout, "/proc/self/fd/2": LogStdout, "/dev/null": LogNone, "/dev/log": LogSyslog}
	name := LogTarget(strings.ToLower(in.Text)) // supervisord has NONE
	switch to, isDevice := devices[in.Text]; {
	case isDevice:
		in.fail("%s is no file: want { to = %q }", in.Text, to)
		return "", false
	case slices.Contains(otherTargets, name):
		in.fail(`%q is the name of a file here: want { to = %q }, or "./%[1]s"`, in.Text, name)
		return "", false
	}
	return absolute(in)
}

// logOf completes what the log of a process says.
func (l *loader) logOf(log input, app, process string, of *Log) {
	if of.To == "" && log.Table["to"] != nil {
		return // what is wrong has been said
	}
	of.To = cmp.Or(of.To, LogFile) // which a file alone says as well
	log.checkTarget(of.To)
	if of.To != LogSyslog {
		of.Address, of.Facility = "", "" // the built-in ones
	}
	if !slices.Contains(logKeysOf["prefix"], of.To) {
		of.Prefix = "" // of [defaults.process]
	}
	if of.To != LogFile {
		of.File = string(of.To) + ":" + app + "/" + process
		return
	}
	if of.File == "" {
		of.File = filepath.Join(l.config.Daemon.Logs, app, process+".log")
	}
	if of.MaxTotal > 0 && of.MaxTotal < of.MaxSize {
		log.written("max_total", "max_size").fail("max_total (%d bytes) is less than max_size (%d): no rotated file has room; raise it, or lower max_size", of.MaxTotal, of.MaxSize)
	}
}

// checkTarget refuses settings of other targets; [defaults.process] may have those of
// rotation and the like for processes that have such a log.
func (in input) checkTarget(to LogTarget) {
	for name, of := range logKeysOf {
		if !slices.Contains(of, to) && (in.statesHere(name) || name == "file" && in.Table[name] != nil) {
			in.at(name).fail("does nothing with to = %q; remove one of the two", to)
		}
	}
}

// journal asks whether this machine has one.
func (v *verification) journal(p *Process) {
	if p.Log.To == LogJournal && !journal.Enabled() {
		v.fail(p.Name, "log.to", `no journal on this machine; start systemd-journald, or set it to "file"`)
	}
}

// sharedLogs warns of files to which several processes write, and of which they say
// different things.
func (c *Config) sharedLogs() []Error {
	r := report{home: c.home}
	type writer struct {
		name string
		log  Log
	}
	first := map[string]writer{}
	for i := range c.Apps {
		a := &c.Apps[i]
		for k := range a.Processes {
			p := &a.Processes[k]
			switch other, shared := first[p.Log.File]; {
			case p.Log.To != LogFile:
			case !shared:
				first[p.Log.File] = writer{a.Name + "/" + p.Name, p.Log}
			case other.log != p.Log:
				r.add(a.place(p.Name, "log"), "%s writes to the same file, which is rotated and prefixed as it says there; say the same here, or name another file", other.name)
			}
		}
	}
	return r.sorted()
}
