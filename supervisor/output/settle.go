package output

import (
	"context"
	"path/filepath"
)

// settle finishes the writes in which an earlier supd was killed, by log. It does not wait
// long for a disk that does not answer: until its write is finished, nothing is written to
// that log, and nothing read of what was held for it.
func (f *Files) settle(all map[string][]*intake) {
	soon, cancel := context.WithTimeout(context.Background(), logTime)
	defer cancel()
	f.unsettled = map[string]<-chan struct{}{}
	for path, written := range all {
		done := make(chan struct{})
		f.unsettled[path] = done
		for _, in := range written {
			f.unsettled[filepath.Base(in.path)] = done
		}
		go func() {
			defer close(done)
			for _, in := range written {
				in.settleWrite()
				in.close()
			}
		}()
	}
	for _, done := range f.unsettled {
		select {
		case <-done:
		case <-soon.Done():
		}
	}
}

// await waits until what settle does is done; nil is nothing.
func await(settled <-chan struct{}) {
	if settled != nil {
		<-settled
	}
}
