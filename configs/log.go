package configs

import (
	"path/filepath"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
)

// logKinds exclude each other: a file that is named, and what is not a file.
var logKinds = []string{"to", "file"}

var logKeys = []key[Log]{
	field("to", func(l *Log) *LogTarget { return &l.To }, one(LogFile, LogJournal)),
	field("file", func(l *Log) *string { return &l.File }, logFile),
	field("max_size", func(l *Log) *int64 { return &l.MaxSize }, size),
	field("max_age", func(l *Log) *time.Duration { return &l.MaxAge }, duration(0)),
	field("keep", func(l *Log) *int { return &l.Keep }, count(1)),
	field("max_total", func(l *Log) *int64 { return &l.MaxTotal }, size),
	field("compress", func(l *Log) *bool { return &l.Compress }, boolean),
}

// ofFile are the settings of a file alone.
var ofFile = []string{"file", "max_size", "max_age", "keep", "max_total", "compress"}

// logFile is a path. The name of the other target is hardly meant as one.
func logFile(in input) (string, bool) {
	if in.Text == string(LogJournal) {
		in.fail(`"journal" is the name of a file here: want { to = "journal" } for systemd's journal, or "./journal"`)
		return "", false
	}
	return absolute(in)
}

// logOf completes what the log of a process says.
func (l *loader) logOf(log input, app, process string, of *Log) {
	if of.To == LogJournal {
		log.checkJournal()
		of.File = string(LogJournal) + ":" + app + "/" + process
		return
	}
	of.To = LogFile // which a file alone says as well
	if of.File == "" {
		of.File = filepath.Join(l.config.Daemon.Logs, app, process+".log")
	}
	if of.MaxTotal > 0 && of.MaxTotal < of.MaxSize {
		log.written("max_total", "max_size").fail("max_total (%d bytes) is less than max_size (%d): no rotated file has room; raise it, or lower max_size", of.MaxTotal, of.MaxSize)
	}
}

// checkJournal refuses settings of a file; [defaults.process] may have those of its
// rotation for processes that have one.
func (in input) checkJournal() {
	for _, name := range ofFile {
		if in.statesHere(name) || name == "file" && in.Table[name] != nil {
			in.at(name).fail(`does nothing with to = "journal"; remove one of the two`)
		}
	}
}

// journal asks whether this machine has one.
func (v *verification) journal(p *Process) {
	if p.Log.To == LogJournal && !journal.Enabled() {
		v.fail(p.Name, "log.to", `no journal on this machine; start systemd-journald, or set it to "file"`)
	}
}
