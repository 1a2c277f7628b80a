package output

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// OpenLater is Open, but gives a log in any case. One that cannot be opened drops
// what is written, and is tried again about each second: a worker that lives must
// not be without a reader of its pipe.
func (f *Files) OpenLater(path string, o Options) *Log {
	f.mu.Lock()
	defer f.mu.Unlock()
	log, _ := f.get(path, o, func(error) bool { return true })
	return log
}

// passes reports whether a file system refuses what it will take again once
// somebody has mended it: then nothing is wrong with what was asked for.
func passes(err error) bool {
	return slices.ContainsFunc([]error{unix.EROFS, unix.ENOSPC, unix.EDQUOT, unix.EIO},
		func(fault error) bool { return errors.Is(err, fault) })
}

// unopened is a log that cannot be opened now.
func unopened(path string, o Options, why error) *Log {
	l := &Log{path: path, options: o, fd: -1, lost: true}
	if strings.HasPrefix(path, Journal) {
		l.journal = &journal{socket: cmp.Or(o.journal, journalSocket)}
	}
	l.say(why)
	return l
}
