package main

import (
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"

	"github.com/coreos/go-systemd/v22/journal"
)

// logHandler writes supd's own log lines. The journal has the time of each already.
func logHandler(to io.Writer) slog.Handler {
	if !inJournal() {
		return slog.NewTextHandler(to, nil)
	}
	return slog.NewTextHandler(to, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
}

// inJournal reports whether standard error goes to the journal (JOURNAL_STREAM of
// systemd.exec(5)). A variable that cannot be read is none.
func inJournal() bool {
	is, err := journal.StderrIsJournalStream()
	return is && err == nil
}

// openOwnLog opens the file that supd's own log goes to, whatever has its name by now.
// The error says where to look where there is none.
func openOwnLog() (*os.File, error) {
	info, err := os.Stderr.Stat()
	switch {
	case inJournal():
		return nil, errors.New("supd's own log is in the journal; read it with `journalctl -u supd`")
	case err != nil || info.Mode().Type() != fs.FileMode(0):
		return nil, errors.New("supd writes its own log to standard error, and does not know where that goes; look where it was started, such as with `journalctl -u supd`")
	}
	return os.Open("/proc/self/fd/2")
}
