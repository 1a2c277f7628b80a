package output

import "sync"

// Count is how many bytes of output were written to a log, and how many were dropped
// because they could not be.
type Count struct {
	Written int64 `json:"written,omitempty"`
	Dropped int64 `json:"dropped,omitempty"`
}

// Counts gives the counts of all logs by path.
func (f *Files) Counts() map[string]Count {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make(map[string]Count, len(f.open))
	for path, log := range f.open {
		written, dropped := log.Stats()
		all[path] = Count{written, dropped}
	}
	return all
}

// Changed gives the counts that have changed since it was called last. It costs what
// has been written since, not what is open.
func (f *Files) Changed() map[string]Count {
	changed := f.changed.take()
	all := make(map[string]Count, len(changed))
	for _, log := range changed {
		log.listed.Store(false) // before it is read: what comes later is listed again
		written, dropped := log.Stats()
		all[log.path] = Count{written, dropped}
	}
	return all
}

// changed lists logs whose counts have changed. Its lock is its own, since whoever
// writes has that of the log, which is taken while that of Files is held.
type changed struct {
	mu   sync.Mutex
	logs []*Log
}

func (c *changed) add(l *Log) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.logs = append(c.logs, l)
}

func (c *changed) take() (logs []*Log) {
	c.mu.Lock()
	defer c.mu.Unlock()
	logs, c.logs = c.logs, nil
	return logs
}

// counts takes bytes of output into the count.
func (l *Log) counts(written, dropped int) {
	l.written.Add(int64(written))
	l.dropped.Add(int64(dropped))
	if l.files != nil && !l.listed.Swap(true) {
		l.files.changed.add(l)
	}
}

// GoOn makes the counts go on where an earlier supd has left them. It is called once.
func (f *Files) GoOn(past map[string]Count) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.past = past
	for path, log := range f.open {
		log.count(past[path])
	}
}

func (l *Log) count(c Count) {
	l.written.Add(c.Written)
	l.dropped.Add(c.Dropped)
}
