package launch

import (
	"sync"
	"time"
)

// firstLooks are at workers that nobody has looked at yet. Those of the same second are
// looked at one after the other: a timer each would wake a thread each, which costs many
// times as much as the look.
type firstLooks struct {
	mu    sync.Mutex
	began time.Time // with the first
	at    map[second]map[*Worker]func()
}

// second counts from then.
type second int64

// add has look called after d, and less than a second later, unless take comes before it.
// The others of that second wait until it returns.
func (f *firstLooks) add(w *Worker, d time.Duration, look func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.at == nil {
		f.began, f.at = time.Now(), map[second]map[*Worker]func(){}
	}
	since := time.Since(f.began)
	at := second((since + d) / time.Second)
	if f.at[at] == nil {
		f.at[at] = map[*Worker]func(){}
		time.AfterFunc(time.Duration(at+1)*time.Second-since, func() { f.look(at) })
	}
	f.at[at][w] = look
	w.firstLook = at
}

// take reports whether the look had not begun; it never will then.
func (f *firstLooks) take(w *Worker) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, waits := f.at[w.firstLook][w]
	delete(f.at[w.firstLook], w)
	return waits
}

func (f *firstLooks) look(at second) {
	f.mu.Lock()
	due := f.at[at]
	delete(f.at, at)
	f.mu.Unlock()
	for _, look := range due {
		look()
	}
}
