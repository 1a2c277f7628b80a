package launch

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"supd/configs"
)

// TestDiscard: what is late is counted until it is given back.
func TestDiscard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var late atomic.Int32
		l := &Launcher{Late: func(process string, n int) {
			if process != "whois/web" {
				t.Errorf("process %q", process)
			}
			late.Add(int32(n))
		}}
		l.worker(testJob(configs.Process{})).Discard()
		w := l.worker(testJob(configs.Process{}))
		w.asking = make(chan struct{})
		go w.Discard()
		time.Sleep(ReleaseTime - time.Millisecond)
		if n := late.Load(); n != 0 {
			t.Errorf("%d are late in time", n)
		}
		time.Sleep(2 * time.Millisecond)
		if n := late.Load(); n != 1 {
			t.Errorf("%d are late, want 1", n)
		}
		close(w.asking)
		synctest.Wait()
		if n := late.Load(); n != 0 {
			t.Errorf("%d are late in the end", n)
		}
	})
}
