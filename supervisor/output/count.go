package output

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
