package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"supd/configs"
	"supd/supervisor/api"
)

// several are changes of each kind.
func several() *api.Changes {
	return &api.Changes{
		Apps: []api.AppChange{
			{Name: "new", Kind: api.AppAdded, File: "/etc/supd/apps/new.toml", Workers: []api.WorkerChange{{Name: "new/web.1", What: api.FateStart}}},
			{Name: "old", Kind: api.AppRemoved, File: "/etc/supd/apps/old.toml", Workers: []api.WorkerChange{{Name: "old/web.1", What: api.FateStop}}},
			{Name: "shop", Kind: api.AppChanged, Deferred: true},
			{Name: "whois", Kind: api.AppChanged, Note: "user \"x\" does not exist\x1b[2J", Keys: []configs.KeyChange{{Key: "rollout.bake", Old: `"10s"`, New: `"20s"`}},
				Workers: []api.WorkerChange{
					{Name: "whois/web.1", What: api.FateReplace, Keys: []configs.KeyChange{{Key: "command", Old: `"a"`, New: `"b"`}, {Key: "env.TOKEN", New: "(hidden)"}, {Key: "env.KEY", Old: "(hidden)", New: "(hidden)"}}},
					{Name: "whois/web.2", What: api.FateKeep, Keys: []configs.KeyChange{{Key: "health.http", Old: `"/"`}}, Why: "without a restart"},
					{Name: "whois/web.3", What: api.FateStay, State: api.Stopped, Keys: []configs.KeyChange{{Key: "health.http", Old: `"/"`}}},
					{Name: "whois/web.4", What: api.FateStay, State: api.Exited, Why: "a socket of it moves"},
				}},
		},
		Daemon: []configs.KeyChange{{Key: "daemon.watch", Old: "false", New: "true"}},
	}
}

func TestDiff(t *testing.T) {
	d := newFake("/nonexistent")
	d.changes = several()
	serve(t, d)
	code, stdout, stderr := supctl(t, "diff")
	want := `
new           added     /etc/supd/apps/new.toml
new/web.1     start
old           removed   /etc/supd/apps/old.toml is gone
old/web.1     stop
shop          changed   after the rollout that is under way
whois         changed   rollout.bake: "10s" → "20s"
whois/web.1   replace   command: "a" → "b"; env.TOKEN: unset → (hidden); env.KEY: (hidden), a hidden part has changed
whois/web.2   keep      health.http: "/" → unset; without a restart
whois/web.3   stay      stopped; health.http: "/" → unset
whois/web.4   stay      exited; a socket of it moves
`
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), stdout); diff != "" || code != 0 {
		t.Errorf("code %d (-want +got):\n%s", code, diff)
	}
	for _, want := range []string{"supctl: warning: whois: user \"x\" does not exist[2J\n", "supctl: warning: supd.toml: daemon.watch: false → true; this counts from the next start"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("standard error %q, want %q", stderr, want)
		}
	}
	if code, stdout, _ := supctl(t, "reread", "--detailed-exitcode", "--json"); code != codeChanged || !strings.HasPrefix(stdout, `{"apps":[{"name":"new",`) {
		t.Errorf("code %d, %q", code, stdout)
	}
	d.changes = &api.Changes{}
	if code, stdout, _ := supctl(t, "diff", "--detailed-exitcode"); code != 0 || stdout != "nothing would change\n" {
		t.Errorf("code %d, %q", code, stdout)
	}
}

func TestApply(t *testing.T) {
	d := newFake("/nonexistent")
	serve(t, d)
	d.result = api.Result{Changes: several()}
	d.result.Add(api.Outcome{Name: "new/web.1", Message: "started, pid 5"})
	d.result.Add(api.Outcome{Name: "old/web.1", Message: "stopped"})
	d.result.Add(api.Outcome{Name: "shop", Code: api.CodeTimeout, Message: "is applied after the rollout"})
	d.result.Add(api.Outcome{Name: "whois/web.1", Code: api.CodeRolledBack, Message: "exited with code 3; the old worker goes on"})
	code, stdout, stderr := supctl(t, "apply", "--detailed-exitcode", "whois", "shop")
	want := `
new: added, /etc/supd/apps/new.toml
new/web.1: started, pid 5
old: removed, /etc/supd/apps/old.toml is gone
old/web.1: stopped
shop: changed, after the rollout that is under way
whois: changed, rollout.bake: "10s" → "20s"
whois/web.2: goes on (health.http: "/" → unset; without a restart)
whois/web.3: stays stopped (health.http: "/" → unset)
whois/web.4: stays exited (a socket of it moves)
`
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), stdout); diff != "" || code != api.CodeRolledBack {
		t.Errorf("code %d (-want +got):\n%s", code, diff)
	}
	if want := "supctl: whois/web.1: exited with code 3; the old worker goes on (command: \"a\" → \"b\";"; !strings.Contains(stderr, want) {
		t.Errorf("standard error %q, want %q", stderr, want)
	}
	if diff := cmp.Diff([]string{"whois", "shop"}, d.last.Targets); diff != "" {
		t.Errorf("apps (-want +got):\n%s", diff)
	}
	d.result = api.Result{Changes: several()}
	code, stdout, _ = supctl(t, "update", "--no-wait", "--detailed-exitcode")
	if code != codeChanged || !strings.Contains(stdout, "whois/web.1: is being replaced (command:") || !d.last.Detach {
		t.Errorf("code %d, %q", code, stdout)
	}
	d.result = api.Result{Changes: &api.Changes{}}
	if code, stdout, _ = supctl(t, "apply", "--detailed-exitcode"); code != 0 || stdout != "nothing has changed\n" {
		t.Errorf("code %d, %q", code, stdout)
	}
	d.result = api.Result{Code: api.CodeInvalid, Error: "apps/a.toml:1: x\napps/b.toml:2: y"}
	if code, _, stderr = supctl(t, "apply"); code != api.CodeInvalid || stderr != "supctl: apps/a.toml:1: x\napps/b.toml:2: y\n" {
		t.Errorf("code %d, %q", code, stderr)
	}
	for _, args := range [][]string{{"apply", "../etc"}, {"apply", "whois/web"}, {"diff", "*"}, {"apply", "--timeout", "-1s"}} {
		if code, _, _ := supctl(t, args...); code != api.CodeUsage {
			t.Errorf("%q: code %d", args, code)
		}
	}
}

// TestApplyAsksTheFile: without a socket that is named, it is that of the configuration.
func TestApplyAsksTheFile(t *testing.T) {
	d := newFake("/nonexistent")
	d.changes, d.result = &api.Changes{}, api.Result{Changes: &api.Changes{}}
	serve(t, d)
	socket := os.Getenv("SUPD_SOCKET")
	t.Setenv("SUPD_SOCKET", "")
	file := t.TempDir() + "/supd.toml"
	must(t, os.WriteFile(file, []byte("[control]\nsocket = \""+socket+"\"\n"), 0o644))
	for _, args := range [][]string{{"diff", "--config", file}, {"apply", "--config", file}, {"apply", "--config", "/nonexistent", "--socket", socket}} {
		if code, _, stderr := supctl(t, args...); code != 0 {
			t.Errorf("%q: code %d, %s", args, code, stderr)
		}
	}
	if code, _, _ := supctl(t, "apply", "--config", file, "--socket", "/nonexistent"); code != api.CodeNoTarget {
		t.Errorf("another socket: code %d", code)
	}
}

// TestStatusOfWhatIsNotApplied: what was refused last, and the files that say something
// else, are told beside the workers.
func TestStatusOfWhatIsNotApplied(t *testing.T) {
	now := time.Date(2026, 3, 1, 17, 2, 0, 0, time.Local)
	var b strings.Builder
	writeFiles(&b, &api.Status{
		Refused: &api.Refusal{By: "SIGHUP", At: now.Add(-time.Hour), Why: "apps/a.toml:1: x\napps/b.toml:2: y\n"},
		Files:   []configs.File{{App: "a", Path: "apps/a.toml", State: configs.FileChanged}, {App: "b", Path: "apps/b.toml", State: configs.FileNew}, {App: "c", Path: "apps/c.toml", State: configs.FileGone}, {Path: "supd.toml", State: configs.FileChanged}},
	}, now)
	want := "not applied: what SIGHUP asked for at 16:02: apps/a.toml:1: x; and 1 more, `supctl check` shows all\n" +
		"apps/a.toml has changed since it was applied; `supctl diff a` shows what `supctl apply a` would do\n" +
		"apps/b.toml was never applied; `supctl diff b` shows what `supctl apply b` would do\n" +
		"apps/c.toml is gone since it was applied; `supctl diff c` shows what `supctl apply c` would do\n" +
		"supd.toml has changed since it was applied; `supctl diff` shows what `supctl apply` would do\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
