package engine

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/supervisor/api"
)

// TestReload: workers that know a signal for it get that, also in a rollout, and all
// others are restarted.
func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reloads, starting := configured("reloads", 1), configured("starting", 1)
		reloads.ReloadSignal, starting.ReloadSignal = unix.SIGHUP, unix.SIGHUP
		w := newWorld(t, func(l Launch) behaviour {
			if l.Process.Name == "starting" {
				return behaviour{ready: 10 * time.Second, drain: time.Second}
			}
			return healthy
		}, reloads, starting, configured("web", 2))
		w.expect(5*time.Second, "a/web.2", api.Running)
		before := w.pids()
		r := w.do(api.ActionReload, false, "a")
		if r.Code != api.CodeDone || !strings.HasPrefix(r.Outcomes[0].Message, "sent SIGHUP") || !strings.HasPrefix(r.Outcomes[2].Message, "restarted") {
			t.Errorf("%+v", r)
		}
		after := w.pids()
		for _, name := range []string{"a/web.1", "a/web.2", "a/starting.1"} {
			if before[name] == after[name] {
				t.Errorf("%s was not restarted", name)
			}
		}
		for _, p := range w.running() {
			if hup := slices.Contains(p.sent, unix.SIGHUP); hup != (p.launch.Process.Name == "reloads") {
				t.Errorf("%s got %v", p.launch.Name(), p.sent)
			}
		}
		if before["a/reloads.1"] != after["a/reloads.1"] {
			t.Error("what can reload was restarted")
		}
		w.quit()
	})
	synctest.Test(t, func(t *testing.T) {
		reloads := configured("reloads", 1)
		reloads.ReloadSignal = unix.SIGHUP
		f := newFleet(t, configs.Rollout{Bake: time.Hour}, always(healthy), reloads, configured("web", 1))
		f.expect(10*time.Second, "a/web.1", api.Running)
		f.deploy(api.ActionDeploy, "2")
		time.Sleep(time.Minute)
		if r := f.do(api.ActionReload, false, "a/web"); r.Code != api.CodeFailed || !strings.Contains(r.Error, "under way") {
			t.Errorf("restart in a rollout: %+v", r)
		}
		if r := f.do(api.ActionReload, false, "a/reloads"); r.Code != api.CodeDone {
			t.Errorf("signal in a rollout: %+v", r)
		}
		f.quit()
	})
}
