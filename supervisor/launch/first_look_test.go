package launch

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestFirstLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f firstLooks
		began, looked := time.Now(), make(chan time.Duration, 10)
		look := func() { looked <- time.Since(began) }
		add := func(after time.Duration) *Worker {
			w := &Worker{}
			f.add(w, after, look)
			return w
		}
		add(10 * time.Second)
		time.Sleep(300 * time.Millisecond)
		late, soon := add(10*time.Second), add(100*time.Millisecond)
		time.Sleep(800 * time.Millisecond)
		add(10 * time.Second)

		if f.take(&Worker{}) || f.take(soon) || !f.take(late) || f.take(late) {
			t.Error("only a look that was added, and neither done nor taken, can be taken")
		}
		for _, want := range []time.Duration{1, 11, 12} {
			if at := <-looked; at != want*time.Second {
				t.Errorf("looked after %s, want %d s", at, want)
			}
		}
		synctest.Wait()
		if len(looked) > 0 || len(f.at) > 0 {
			t.Errorf("%d looks too many, %d seconds left", len(looked), len(f.at))
		}
	})
}
