package engine

import (
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/supervisor/api"
	"supd/supervisor/measure"
	"supd/supervisor/record"
)

// total is what a slot's counter shows if /proc says nothing more than was seen.
func (s *slot) total() time.Duration {
	all := s.Past
	for _, w := range s.workers {
		all = all.Plus(w.Used)
	}
	return all.CPU + all.CPUWaiting
}

// dies is the part of ended that counts.
func (o *Owner) dies(w *worker, e Exit) {
	delete(o.workers, w.Pid)
	o.account(w, e)
}

func seconds(n int) measure.Usage { return measure.Usage{CPU: time.Duration(n) * time.Second} }
func stalled(n int) measure.Usage { return measure.Usage{CPUWaiting: time.Duration(n) * time.Second} }

// A worker that has children of its own ends: what it and they have used is counted
// once, in whatever order it becomes known.
func TestUsageIsCountedOnce(t *testing.T) {
	for name, c := range map[string]struct {
		steps func(o *Owner, w *worker)
		want  int // seconds
	}{
		"never looked at": {func(o *Owner, w *worker) { o.dies(w, Exit{Used: seconds(10)}) }, 10},
		"seen, and it has waited for all": {func(o *Owner, w *worker) {
			o.Seen(map[RunID]measure.Usage{{4711, 99}: seconds(8)}, true, make(chan struct{}))
			o.dies(w, Exit{Used: seconds(10)})
		}, 10},
		"its children are reaped by supd": {func(o *Owner, w *worker) {
			o.Seen(map[RunID]measure.Usage{{4711, 99}: seconds(8)}, true, make(chan struct{})) // 2 are its own
			o.dies(w, Exit{Used: seconds(3)})
			o.accountOrphan(Exit{Session: 4711, Used: seconds(4)})
			o.accountOrphan(Exit{Session: 4711, Used: seconds(5)})
		}, 12},
		"a child of a dead child, while it lives": {func(o *Owner, w *worker) {
			o.Seen(map[RunID]measure.Usage{{4711, 99}: seconds(8)}, true, make(chan struct{})) // 3 are the child's
			o.accountOrphan(Exit{Session: 4711, Used: seconds(4)})
		}, 8}, // and 1 that /proc says of it from now on
		"nobody knows what it has used": {func(o *Owner, w *worker) {
			o.Seen(map[RunID]measure.Usage{{4711, 99}: seconds(8)}, true, make(chan struct{}))
			o.dies(w, Exit{})
		}, 8},
		"another process has its pid": {func(o *Owner, w *worker) {
			o.Seen(map[RunID]measure.Usage{{4711, 98}: seconds(8)}, true, make(chan struct{}))
		}, 0},
		"its cgroup is read once more": {func(o *Owner, w *worker) {
			o.Seen(map[RunID]measure.Usage{{4711, 99}: stalled(8)}, true, make(chan struct{}))
			o.dies(w, Exit{Used: seconds(3)})
			o.more(w, stalled(10))
		}, 13},
		"it ends while it is looked at": {func(o *Owner, w *worker) {
			o.Seen(map[RunID]measure.Usage{{4711, 99}: seconds(2)}, true, make(chan struct{}))
			o.dies(w, Exit{Used: seconds(3)})
			o.Seen(map[RunID]measure.Usage{{4711, 99}: seconds(8).Plus(stalled(10))}, true, make(chan struct{})) // 5 are a child's
			o.accountOrphan(Exit{Session: 4711, Used: seconds(6)})
			o.more(w, stalled(10))
		}, 19},
		"its child is reaped before that is noted": {func(o *Owner, w *worker) {
			o.dies(w, Exit{Used: seconds(3)})
			o.accountOrphan(Exit{Session: 4711, Used: seconds(6)})
			o.Seen(map[RunID]measure.Usage{{4711, 99}: seconds(8)}, true, make(chan struct{}))
		}, 9},
		"orphan of nobody": {func(o *Owner, w *worker) { o.accountOrphan(Exit{Session: 12, Used: seconds(4)}) }, 0},
	} {
		o := &Owner{workers: map[int]*worker{}, left: map[int]*worker{}}
		s := &slot{process: &process{app: &app{}}}
		w := &worker{slot: s, Process: record.Process{Pid: 4711, Identity: record.Identity{Start: 99}}}
		s.workers, o.workers[4711] = []*worker{w}, w
		before := s.total()
		c.steps(o, w)
		if len(o.left) > 0 { // it has ended
			s.workers = nil
		}
		if got := s.total(); got != time.Duration(c.want)*time.Second || got < before {
			t.Errorf("%s: %s, want %d s", name, got, c.want)
		}
		if o.forgetLeft(w); len(o.left) > 0 {
			t.Errorf("%s: a worker that was swept is not forgotten", name)
		}
	}
}

func TestReasonsOfRestarts(t *testing.T) {
	crash, fails := behaviour{ready: time.Millisecond, die: time.Minute, code: 3}, behaviour{fail: "no such file"}
	for name, c := range map[string]struct {
		first behaviour // of the first launch; then all is well
		do    func(w *world)
		want  measure.Reason
	}{
		"ends":        {crash, func(*world) {}, measure.Exited},
		"fails":       {fails, func(*world) {}, measure.NotStarted},
		"not ready":   {behaviour{ready: -1, drain: time.Millisecond}, func(*world) {}, measure.NotReady},
		"killed":      {healthy, func(w *world) { p := w.running()[0]; w.in(func(*Owner) { p.Signal(unix.SIGKILL) }) }, measure.Signaled},
		"unhealthy":   {behaviour{ready: time.Millisecond, ill: time.Second}, func(*world) {}, measure.Unhealthy},
		"requested":   {healthy, func(w *world) { w.do(api.ActionRestart, false, "a") }, measure.Requested},
		"hard":        {healthy, func(w *world) { w.do(api.ActionRestart, true, "a") }, measure.Requested},
		"start again": {healthy, func(w *world) { w.do(api.ActionStop, false, "a"); w.do(api.ActionStart, false, "a") }, measure.Requested},
		"config": {healthy, func(w *world) {
			p := configured("web", 1)
			p.Env = map[string]string{"A": "b"}
			w.apply(p)
		}, measure.Config},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(l Launch) behaviour {
					if l.Generation == 1 {
						return c.first
					}
					return healthy
				}, configured("web", 1))
				time.Sleep(10 * time.Second)
				c.do(w)
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				got := w.worker("a/web.1").Tally
				if diff := cmp.Diff(map[measure.Reason]int{c.want: 1}, got.RestartsBy); diff != "" {
					t.Errorf("restarts (-want +got):\n%s", diff)
				}
				asked := c.want == measure.Requested || c.want == measure.Config
				if n := got.Recent.Count(time.Now()); n > 1 || (n == 0) != asked {
					t.Errorf("%d failures in the last hour", n)
				}
				if n := got.Starts.Count(); n < 1 || n > 2 {
					t.Errorf("%d starts", n)
				}
				w.quit()
			})
		})
	}
}

func TestReasonWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := configured("web", 1)
		p.Watchdog = time.Second
		w := newWorld(t, always(healthy), p)
		time.Sleep(time.Minute)
		synctest.Wait()
		if by := w.worker("a/web.1").Tally.RestartsBy; by[measure.Watchdog] < 1 || len(by) > 1 {
			t.Errorf("restarts %v", by)
		}
		w.quit()
	})
}

// The starts of a slot that is gone are counted on, by the first of its process.
func TestStartsOutliveTheirSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(healthy), configured("web", 3))
		time.Sleep(time.Minute)
		w.apply([]configs.Process{configured("web", 1)}...)
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := w.worker("a/web.1").Tally.Starts.Count(); n != 3 {
			t.Errorf("%d starts, want 3", n)
		}
		w.quit()
	})
}

// TestSeenIsRecorded: what a worker was seen to have used is in the record, though
// nothing else happens: were supd killed now, nobody else would know.
func TestSeenIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(healthy), configured("web", 1))
		time.Sleep(time.Minute)
		used := measure.Usage{CPU: 3 * time.Second}
		w.now().Post(func(o *Owner) {
			for pid, one := range o.workers {
				o.Seen(map[RunID]measure.Usage{{Pid: pid, Start: one.Identity.Start}: used}, true, make(chan struct{}))
			}
		})
		time.Sleep(time.Minute)
		text, err := os.ReadFile(w.writer.Path)
		if err != nil {
			t.Fatal(err)
		}
		r, err := record.Parse(text)
		if err != nil || len(r.Slots) != 1 || len(r.Slots[0].Workers) != 1 {
			t.Fatalf("record %s: %v", text, err)
		}
		if got := r.Slots[0].Workers[0].Used; got != used {
			t.Errorf("recorded: %+v, seen: %+v", got, used)
		}
		w.quit()
	})
}

// TestShownIsWritten: whoever shows what was seen is told when it is in the record, also
// where all of it is there already.
func TestShownIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(healthy), configured("web", 1))
		w.expect(5*time.Second, "a/web.1", api.Running)
		synctest.Wait()
		for _, used := range []time.Duration{3 * time.Second, 0} {
			written := make(chan struct{})
			w.in(func(o *Owner) {
				of := map[RunID]measure.Usage{}
				for pid, one := range o.workers {
					if used > 0 {
						of[RunID{pid, one.Identity.Start}] = seconds(int(used / time.Second))
					}
				}
				o.Seen(of, false, written)
			})
			select {
			case <-written:
			case <-time.After(time.Minute):
				t.Fatal("nobody is told")
			}
			text, err := os.ReadFile(w.writer.Path)
			if err != nil {
				t.Fatal(err)
			}
			r, err := record.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			if got := r.Slots[0].Workers[0].Used.CPU; got != 3*time.Second {
				t.Errorf("the record has %s", got)
			}
		}
		w.quit()
	})
}
