package main

import (
	"strings"
	"testing"

	"supd/supervisor/api"
)

func TestWait(t *testing.T) {
	exit := &api.Exit{Code: 3, Reason: "exited with code 3"}
	well := &api.Exit{Reason: "exited with code 0"}
	states := map[string]api.WorkerStatus{
		"runs":     {State: api.Running, Ready: true, Pid: 1, AsWished: true},
		"starts":   {State: api.Starting, Pid: 1},
		"ill":      {State: api.Unhealthy, Pid: 1},
		"backoff":  {State: api.Backoff, LastExit: exit},
		"failed":   {State: api.Failed, LastExit: exit},
		"stopped":  {State: api.Stopped},
		"rests":    {State: api.Stopped, AsWished: true},
		"finished": {State: api.Exited, AsWished: true, LastExit: well},
		"ended":    {State: api.Exited, LastExit: exit},
		"stops":    {State: api.Stopping, Pid: 1},
	}
	for what, want := range map[string]map[int]string{
		"ready":   {0: "runs ill rests finished", 7: "failed ended", 8: "starts backoff stopped stops"},
		"healthy": {0: "runs rests finished", 7: "failed ended", 8: "ill starts backoff stopped stops"},
		"stopped": {0: "failed stopped rests finished ended", 8: "runs starts ill backoff stops"},
		"done":    {0: "finished", 7: "failed ended", 8: "runs starts ill backoff stopped rests stops"},
	} {
		for code, names := range want {
			for _, name := range strings.Fields(names) {
				w := states[name]
				w.Name = "a/b.1"
				s := &api.Status{Apps: []api.AppStatus{{Name: "a", Processes: []api.ProcessStatus{{Name: "b", Workers: []api.WorkerStatus{w}}}}}}
				if got, decided := (waitRequest{what: what}).judge(s); got.Code != code || decided != (code != 8) {
					t.Errorf("--for %s, %s: %+v, decided %v; want %d", what, name, got, decided, code)
				}
			}
		}
	}
}

// An app without a process is not what is waited for, and one that has gone will not be.
func TestWaitWithoutProcess(t *testing.T) {
	undeployed := api.AppStatus{Name: "a", Note: "no release is active"}
	invalid := api.AppStatus{Name: "b", State: api.Invalid, Note: "b.toml:1: unknown key"}
	runs := api.AppStatus{Name: "c", Processes: []api.ProcessStatus{{Name: "web", Workers: []api.WorkerStatus{{Name: "c/web.1", State: api.Running, Ready: true, Pid: 1}}}}}
	for _, test := range []struct {
		what string
		apps []api.AppStatus
		code int
		said string
	}{
		{"ready", []api.AppStatus{undeployed, runs}, 8, "a: still without a process: no release is active"},
		{"ready", []api.AppStatus{undeployed, invalid, runs}, 6, "b: not ready: b.toml:1: unknown key"},
		{"healthy", []api.AppStatus{invalid}, 6, "b: not healthy: b.toml:1: unknown key"},
		{"done", []api.AppStatus{{Name: "a"}}, 8, "a: still without a process: its release is being deployed"},
		{"ready", nil, 4, "a b: is not there any more"},
		{"stopped", []api.AppStatus{undeployed, invalid}, 0, ""},
		{"stopped", nil, 0, ""},
	} {
		got, decided := (waitRequest{what: test.what, targets: []string{"a", "b"}}).judge(&api.Status{Apps: test.apps})
		said := ""
		for _, o := range got.Outcomes {
			if o.Code != api.CodeDone {
				said += o.Name + ": " + o.Message
			}
		}
		if got.Code != test.code || decided != (test.code != 8) || said != test.said {
			t.Errorf("--for %s: %+v, decided %v; want %d, %q", test.what, got, decided, test.code, test.said)
		}
	}
}

func TestWaitCommand(t *testing.T) {
	d := newFake("")
	serve(t, d)
	for _, test := range []struct {
		args      string
		code      int
		out, errs string
	}{
		{"wait whois", 0, "whois/web.1: ready\nwhois/web.2: ready\n", ""},
		{"wait off --for stopped", 0, "off/beat.1: stopped\n", ""},
		{"wait all --for ready --timeout 100ms", 8, "whois/web.1: ready\nwhois/web.2: ready\n", "supctl: off/beat.1: still STOPPED\n"},
		{"wait whois --for stopped --timeout 100ms", 8, "", "supctl: whois/web.1: still RUNNING\nsupctl: whois/web.2: still RUNNING\n"},
		{"--json wait off --for stopped", 0, `{"code":0,"outcomes":[{"name":"off/beat.1","code":0,"message":"stopped"}]}` + "\n", ""},
		{"wait whois --for nothing", 2, "", `supctl: --for "nothing": want one of ready, healthy, stopped, done (see supctl --help)` + "\n"},
		{"wait", 2, "", "supctl: wait needs a target; `supctl wait all` is for every worker (see supctl --help)\n"},
		{"wait nosuch", 4, "", "supctl: no such target \"nosuch\"; `supctl status` shows all\n"},
	} {
		code, out, errs := supctl(t, strings.Fields(test.args)...)
		if code != test.code || out != test.out || errs != test.errs {
			t.Errorf("%s: exited with %d, %q, %q", test.args, code, out, errs)
		}
	}
	// One that has failed is known at once, whatever the others do.
	d.status.Apps[0].Processes[0].Workers[0].State = api.Failed
	if code, out, errs := supctl(t, "wait", "all"); code != 7 || errs != "supctl: off/beat.1: not ready: FAILED\n" {
		t.Errorf("failed: exited with %d, %q, %q", code, out, errs)
	}
}

func TestScaleCommand(t *testing.T) {
	d := newFake("")
	serve(t, d)
	if code, _, errs := supctl(t, "scale", "whois/web=3", "--timeout", "5s"); code != 0 || errs != "" || d.last.Action != api.ActionScale || d.last.Count != 3 || d.last.Targets[0] != "whois/web" {
		t.Errorf("exited with %d, %s, asked %+v", code, errs, d.last)
	}
	for args, want := range map[string]string{
		"scale": "needs a process and a number", "scale whois/web": "want APP/PROCESS=N", "scale whois/web=x": "want APP/PROCESS=N", "scale =3": "want APP/PROCESS=N",
		"scale whois/web=-1": "want APP/PROCESS=N", "scale whois/web=0": "`supctl stop whois/web` is for none", "scale whois/web=99999": "want a number from 1 to 32768",
	} {
		if code, _, errs := supctl(t, strings.Fields(args)...); code != 2 || !strings.Contains(errs, want) {
			t.Errorf("%s: exited with %d, %q", args, code, errs)
		}
	}
	d.status.Apps[1].Processes[0].Scaled = 2
	if _, _, errs := supctl(t, "status", "whois"); errs != "whois/web   scaled to 2 until the next apply; count = 2\n" {
		t.Errorf("status: %q", errs)
	}
}
