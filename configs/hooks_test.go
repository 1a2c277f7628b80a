package configs

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestHooks: a command alone has the usual time, and the app's hooks go over the defaults
// key by key.
func TestHooks(t *testing.T) {
	c, err := load(lay(t, map[string]string{
		"supd.toml":   "[defaults.process.hooks]\npre_start = { command = \"all\", timeout = \"5s\" }\non_failure = [\"tell\", \"me\"]\n",
		"apps/a.toml": "user = \"nobody\"\n[process.web]\ncommand = \"x\"\nhooks = { pre_start = { timeout = \"7s\" }, pre_stop = \"leave 'the queue'\" }\n",
	}))
	if err != nil {
		t.Fatal(err)
	}
	want := Hooks{
		PreStart:  &Hook{Command: []string{"all"}, Timeout: 7 * time.Second},
		PreStop:   &Hook{Command: []string{"leave", "the queue"}, Timeout: 30 * time.Second},
		OnFailure: &Hook{Command: []string{"tell", "me"}, Timeout: 30 * time.Second},
	}
	got := c.Apps[0].Processes[0].Hooks
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for name, is := range map[HookName]bool{HookPreStart: true, HookPostStart: false, HookPreStop: true, HookPostStop: false, HookOnFailure: true, "other": false} {
		if (got.Of(name) != nil) != is {
			t.Errorf("%s: %v", name, got.Of(name))
		}
	}
}
