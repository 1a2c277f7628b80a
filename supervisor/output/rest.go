package output

import "time"

// A log to which nothing is captured rests: its file, or the connection to the journal,
// is closed. So those of processes that are gone from the configuration need no
// descriptor, and a Reopen does not make their files anew. The next capture, or whoever
// writes, opens it again.

// hold is called by a capture that begins. What it reads is written as was wanted last.
func (l *Log) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.change()
	l.captures++
	if l.captures > 1 || l.closed || !l.isFile() || l.file != nil {
		return
	}
	l.lost = l.open() != nil // it is tried again, and said, with the first write
}

// release is called by a capture that has ended; goesOn says that another program goes
// on with it.
func (l *Log) release(goesOn bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.captures--; !goesOn {
		l.rest()
	}
}

// Rest closes the files of the logs that nothing is captured to, and the connections
// that none of the others has. It may be called at any time.
func (f *Files) Rest() {
	used := map[*outlet]bool{}
	for _, l := range f.all() {
		if o := l.busyOutlet(); o != nil {
			used[o] = true
		}
	}
	_ = f.each(func(l *Log) error {
		if l.mu.TryLock() { // else it does not rest
			defer l.mu.Unlock()
			l.rest()
		}
		return nil
	})
	f.outlets.rest(used)
}

// busyOutlet is what a log to which something is captured leads to. One that is locked is
// written to, and opens what is closed again.
func (l *Log) busyOutlet() *outlet {
	if !l.mu.TryLock() {
		return nil
	}
	defer l.mu.Unlock()
	if s, is := l.sink.(*outletLog); is && l.captures > 0 {
		return s.outlet
	}
	return nil
}

func (l *Log) rest() {
	if l.captures > 0 || l.closed {
		return
	}
	if l.sink != nil {
		l.sink.rest()
		return
	}
	if l.file == nil {
		return
	}
	_ = l.file.Close() // nothing was written since the last write, whose error is known
	l.file, l.fd, l.id, l.looked = nil, -1, fileID{}, time.Time{}
	l.stopAging()
	l.last, l.midline, l.broken = nil, false, false // is found out anew
}

// rests reports whether the file is closed for now.
func (l *Log) rests() bool { return l.captures == 0 && l.file == nil && !l.lost }
