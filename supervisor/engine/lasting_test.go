package engine

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"supd/configs"
	"supd/supervisor/api"
)

func (w *world) saveLasting(all map[string]api.Lasting, done func(error) Event) {
	if w.unsaved == nil {
		w.lasting = all
	}
	w.after(time.Millisecond, done(w.unsaved))
}

func (w *world) persist(action api.Action, targets ...string) *api.Result {
	return w.s.Do(w.t.Context(), api.Request{Action: action, Targets: targets, Persist: true, By: "deploy", Timeout: 10 * time.Minute})
}

// rebooted starts another owner, after the one before has ended in order.
func (w *world) rebooted(processes ...configs.Process) {
	w.t.Helper()
	w.quit()
	w.procs = nil // generations begin anew
	w.owner = w.newOwner()
	w.owner.Last(maps.Clone(w.lasting))
	if err := w.owner.Apply(w.config(configs.Rollout{Surge: configs.Surge{Workers: 1}}, processes...)); err != nil {
		w.t.Fatal(err)
	}
	w.run()
	time.Sleep(time.Minute)
	synctest.Wait()
}

// wantLasting compares what was said for good, such as "a/web down".
func (w *world) wantLasting(want ...string) {
	w.t.Helper()
	synctest.Wait()
	var got []string
	for name, l := range w.lasting {
		got = append(got, name+map[bool]string{true: " up", false: " down"}[l.Up])
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		w.t.Errorf("for good: %q, want %q", got, want)
	}
}

func oneOff(name string) configs.Process {
	p := configured(name, 1)
	p.Autostart = false
	return p
}

// TestLasting: what is stopped or started for good is so under the next supd, whatever
// autostart says, and with more workers than there were.
func TestLasting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(healthy), configured("web", 2), configured("other", 1), oneOff("extra"))
		w.expect(10*time.Second, "a/web.2", api.Running)
		if r := w.persist(api.ActionStop, "a/web"); r.Code != api.CodeDone || len(r.Outcomes) != 2 {
			t.Errorf("stop: %+v", r)
		}
		if r := w.persist(api.ActionStart, "a/extra"); r.Code != api.CodeDone {
			t.Errorf("start: %+v", r)
		}
		w.wantLasting("a/extra up", "a/web down")
		if got := w.worker("a/web.1"); !got.AsWished {
			t.Errorf("%+v", got)
		}
		w.rebooted(configured("web", 3), configured("other", 1), oneOff("extra"))
		for name, state := range map[string]api.State{"a/web.1": api.Stopped, "a/web.3": api.Stopped, "a/other.1": api.Running, "a/extra.1": api.Running} {
			if got := w.worker(name); got.State != state {
				t.Errorf("under the next supd: %+v, want %s", got, state)
			}
		}
		for _, p := range w.s.Status().Apps[0].Processes {
			if l := p.Lasting; (l != nil) != (p.Name != "other") || l != nil && l.By != "deploy" {
				t.Errorf("%s: %+v", p.Name, l)
			}
		}
		w.quit()
	})
}

// TestLastingIsContradicted: a start or a stop for now ends what was said for good.
func TestLastingIsContradicted(t *testing.T) {
	processes := []configs.Process{configured("scaled", 1), configured("web", 2), oneOff("extra")}
	for name, contradict := range map[string]func(w *world){
		"for now": func(w *world) {
			w.do(api.ActionStart, false, "a/web.1")
			w.do(api.ActionStop, false, "a/extra")
			w.scale(2, "a/scaled")
		},
		"by a restart": func(w *world) {
			w.do(api.ActionRestart, false, "a/web.2", "a/scaled")
			w.do(api.ActionStop, false, "all")
		},
		"for good": func(w *world) {
			w.persist(api.ActionStart, "a/web", "a/scaled")
			w.persist(api.ActionStop, "a/extra")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, always(healthy), processes...)
				w.expect(10*time.Second, "a/web.2", api.Running)
				w.persist(api.ActionStop, "a/web", "a/scaled")
				w.persist(api.ActionStart, "a/extra")
				w.wantLasting("a/extra up", "a/scaled down", "a/web down")
				w.do(api.ActionStop, false, "a/web") // it says the same
				w.wantLasting("a/extra up", "a/scaled down", "a/web down")
				contradict(w)
				w.wantLasting()
				w.quit()
			})
		})
	}
}

// TestLastingIsRefused: nothing is stopped that would run again under the next supd.
func TestLastingIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(healthy), configured("web", 2))
		w.expect(10*time.Second, "a/web.2", api.Running)
		if r := w.persist(api.ActionStop, "a/web.1"); r.Code != api.CodeUsage || !strings.Contains(r.Error, "name a/web") {
			t.Errorf("of one worker: %+v", r)
		}
		w.unsaved = errors.New("disk full")
		if r := w.persist(api.ActionStop, "a/web"); r.Code != api.CodeFailed || !strings.Contains(r.Error, "disk full") {
			t.Errorf("on a full disk: %+v", r)
		}
		for _, name := range []string{"a/web.1", "a/web.2"} {
			w.expect(time.Second, name, api.Running)
		}
		if p := w.s.Status().Apps[0].Processes[0]; p.Lasting != nil {
			t.Errorf("%+v", p.Lasting)
		}
		w.quit()
	})
}

// TestLastingOfWhatIsGone: an app that was removed, and comes back, is a new one.
func TestLastingOfWhatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, always(healthy), configured("web", 1))
		w.expect(10*time.Second, "a/web.1", api.Running)
		w.persist(api.ActionStop, "a/web")
		w.now().Post(func(o *Owner) { o.Apply(Prepared{Config: &configs.Config{}}) })
		w.wantLasting()
		w.now().Post(func(*Owner) { w.procs = nil }) // generations begin anew
		w.apply(configured("web", 1))
		w.expect(10*time.Second, "a/web.1", api.Running)
		w.quit()
	})
}
