package output

import "time"

// opening is a log that is being opened, which may take for ever: whoever owns its directory
// may have put a disk there that does not answer.
type opening struct {
	uid   int           // whose rights are used; -1: nobody's but supd's
	done  chan struct{} // closed when it is open, or err is set
	err   error
	tardy bool // somebody has waited in vain; the lock of Files holds for it
}

// openTime is how long is waited for a log to be opened.
const openTime = 2 * time.Second

// get is Open. If the log cannot be opened for a reason that later accepts, it
// gives one that is tried again later.
func (f *Files) get(path string, o Options, later func(error) bool) (*Log, error) {
	have, err := f.opened(path, f.with(o))
	switch {
	case err == nil:
		return have, nil
	case !later(err):
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if have := f.open[path]; have != nil { // it has come just now, or is tried again already
		return have, nil
	}
	log := unopened(path, f.with(o), err)
	f.take(log)
	return log, nil
}

// opened waits for the log to be opened, but not for long.
func (f *Files) opened(path string, o Options) (*Log, error) {
	have, now := f.begin(path, o)
	if now == nil {
		return have, nil
	}
	late := time.NewTimer(openTime)
	defer late.Stop()
	if !f.isAwaited(now) {
		late.Reset(lateTime)
	}
	select {
	case <-now.done:
	case <-late.C:
		f.mu.Lock()
		defer f.mu.Unlock()
		now.tardy = true
		return nil, errNoAnswer
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open[path], now.err
}

// begin gives the log if it is open, and else how it is being opened. One that is tried
// again is not open: whether it can be is found out anew.
func (f *Files) begin(path string, o Options) (*Log, *opening) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if have := f.open[path]; have != nil && !have.unopened.Load() {
		return have, nil
	}
	now := f.opening[path]
	if now == nil {
		now = &opening{uid: -1, done: make(chan struct{})}
		if o.As != nil {
			now.uid = o.As.UID
		}
		f.opening[path] = now
		go f.finish(path, o, now)
	}
	return nil, now
}

// finish opens the log, however long that takes.
func (f *Files) finish(path string, o Options, now *opening) {
	await(f.unsettled[path])
	log, err := Open(path, o)
	f.mu.Lock()
	defer f.mu.Unlock()
	defer close(now.done)
	delete(f.opening, path)
	now.err = err
	switch {
	case err != nil:
	case f.open[path] != nil: // one that is tried again, and whose turn it is
		f.open[path].unopened.Store(false)
		_ = log.Close() // nothing was written
	default:
		f.take(log)
	}
}

// take is called with the lock.
func (f *Files) take(log *Log) {
	log.settled = f.unsettled[log.path]
	log.belongTo(f)
	log.count(f.past[log.path])
	f.open[log.path] = log
}

// isAwaited reports whether a log may have its time: not where others of the same user have
// taken theirs, and are not open yet.
func (f *Files) isAwaited(now *opening) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, other := range f.opening {
		if other.uid == now.uid && other.tardy {
			return false
		}
	}
	return true
}
