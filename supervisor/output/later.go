package output

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// OpenLater is Open, but always gives a log. If it cannot be opened, it drops what
// is written, and tries again about every second: a living worker must not be
// without a reader of its pipe.
func (f *Files) OpenLater(path string, o Options) *Log {
	log, _ := f.get(path, o, func(error) bool { return true })
	return log
}

// passes reports whether err is the trouble of a disk, which passes once somebody
// mends it, and not of what was asked for.
func passes(err error) bool {
	return slices.ContainsFunc([]error{unix.EROFS, unix.ENOSPC, unix.EDQUOT, unix.EIO},
		func(fault error) bool { return errors.Is(err, fault) })
}

// unopened is a log that cannot be opened now.
func unopened(path string, o Options, why error) *Log {
	l := &Log{path: path, options: o, fd: -1, lost: true}
	l.unopened.Store(true)
	if strings.HasPrefix(path, Journal) {
		l.sink = &journal{socket: cmp.Or(o.journal, journalSocket)}
	}
	l.say(why)
	return l
}
