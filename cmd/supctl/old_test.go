package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"supd/supervisor/api"
)

// supervisorctl runs one command line under the old name.
func supervisorctl(t *testing.T, args ...string) (code int, out, err string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	var stdout, stderr bytes.Buffer
	code = runOld(ctx, args, strings.NewReader(""), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// oldWorker is a worker in a state, of which the last has ended at noon.
func oldWorker(app, process string, slot int, state api.State, exit *api.Exit) api.WorkerStatus {
	w := api.WorkerStatus{Name: api.WorkerName(app, process, slot), Slot: slot, State: state, LastExit: exit}
	switch state {
	case api.Running, api.Unhealthy, api.Starting, api.Stopping:
		began := time.Now().Add(-time.Hour)
		w.Pid, w.StartedAt = 4711, &began
	}
	return w
}

// Each state has a word of supervisord's, and each worker a name.
func TestOldStatus(t *testing.T) {
	exit := &api.Exit{Code: 3, Reason: "exited with code 3", At: time.Date(2026, 11, 24, 13, 5, 0, 0, time.Local)}
	killed := &api.Exit{Code: -1, Signal: "SIGKILL", Reason: "killed by SIGKILL", At: exit.At}
	d := &fake{status: &api.Status{Apps: []api.AppStatus{
		{Name: "left", State: api.Invalid, Note: "left.toml:3: unknown key"},
		{Name: "whois", Processes: []api.ProcessStatus{
			{Name: "b", Count: 1, Workers: []api.WorkerStatus{oldWorker("whois", "b", 1, api.Backoff, exit)}},
			{Name: "f", Count: 1, Workers: []api.WorkerStatus{oldWorker("whois", "f", 1, api.Failed, killed)}},
			{Name: "n", Count: 1, Workers: []api.WorkerStatus{oldWorker("whois", "n", 1, api.Stopped, nil)}},
			{Name: "s", Count: 1, Workers: []api.WorkerStatus{oldWorker("whois", "s", 1, api.Stopped, exit)}},
			{Name: "web", Count: 2, Workers: []api.WorkerStatus{
				oldWorker("whois", "web", 1, api.Unhealthy, nil), oldWorker("whois", "web", 2, api.Starting, exit)}},
			{Name: "x", Count: 1, Workers: []api.WorkerStatus{
				oldWorker("whois", "x", 1, api.Exited, exit), oldWorker("whois", "x", 2, api.Stopping, nil)}},
			{Name: "y", Count: 1, Workers: []api.WorkerStatus{oldWorker("whois", "y", 1, "NEWER", nil)}},
		}},
		{Name: "held", Note: "held back: unknown user", Processes: []api.ProcessStatus{
			{Name: "held", Count: 1, Workers: []api.WorkerStatus{oldWorker("held", "held", 1, api.Backoff, nil)}}}},
		{Name: "solo", Processes: []api.ProcessStatus{
			{Name: "solo", Count: 1, Workers: []api.WorkerStatus{oldWorker("solo", "solo", 1, api.Running, nil)}}}},
	}}}
	serve(t, d)
	code, out, err := supervisorctl(t, "status")
	want := `held                             BACKOFF   held back: unknown user
left                             UNKNOWN   left.toml:3: unknown key
solo                             RUNNING   pid 4711, uptime 1:00:00
whois:b                          BACKOFF   Exited too quickly (exited with code 3)
whois:f                          FATAL     killed by SIGKILL
whois:n                          STOPPED   Not started
whois:s                          STOPPED   Nov 24 01:05 PM
whois:web_00                     RUNNING   pid 4711, uptime 1:00:00
whois:web_01                     STARTING  ` + `
whois:x                          EXITED    Nov 24 01:05 PM
whois:x_01                       STOPPING  ` + `
whois:y                          UNKNOWN   ` + `
`
	if diff := cmp.Diff(want, strings.ReplaceAll(out, "1:00:01", "1:00:00")); diff != "" || code != 3 || err != "" {
		t.Errorf("exited with %d, %q (-want +got):\n%s", code, err, diff)
	}
	for args, want := range map[string]int{"solo": 0, "whois:web_01": 0, "whois:b": 0, "whois:f": 3, "whois:n": 3, "whois:x": 3, "left": 3, "nosuch": 4, "whois:n nosuch": 3, "solo nosuch": 4} {
		if code, out, _ := supervisorctl(t, append([]string{"status"}, strings.Fields(args)...)...); code != want {
			t.Errorf("status %s: exited with %d, want %d\n%s", args, code, want, out)
		}
	}
}

// Names are taken in supervisord's spelling and in ours; one that could mean two things
// means what it meant.
func TestOldNames(t *testing.T) {
	process := func(app, name string, count int) api.ProcessStatus {
		p := api.ProcessStatus{Name: name, Count: count}
		for slot := range count {
			p.Workers = append(p.Workers, oldWorker(app, name, slot+1, api.Running, nil))
		}
		return p
	}
	all := listingOf(&api.Status{Apps: []api.AppStatus{
		{Name: "blog", Processes: []api.ProcessStatus{process("blog", "beat", 1), process("blog", "queue_01", 1), process("blog", "queue", 2)}},
		{Name: "left", State: api.Invalid},
		{Name: "web", Processes: []api.ProcessStatus{process("web", "web", 1), process("web", "worker", 1)}},
		{Name: "whois", Processes: []api.ProcessStatus{process("whois", "web", 2), process("whois", "worker", 1)}},
	}})
	for name, want := range map[string]string{
		"all":            "blog:beat blog:queue_00 blog:queue_01 blog:queue_01 left web web:worker whois:web_00 whois:web_01 whois:worker",
		"web":            "web",
		"web:web":        "web",
		"web:*":          "web web:worker",
		"web:":           "web web:worker",
		"web/":           "",
		"web/*":          "web web:worker",
		"whois":          "whois:web_00 whois:web_01 whois:worker",
		"whois:web":      "whois:web_00 whois:web_01",
		"whois:web_0":    "whois:web_00",
		"whois:web_01":   "whois:web_01",
		"whois:web_02":   "",
		"whois:web_-1":   "",
		"whois:web.1":    "whois:web_00",
		"whois/web.2":    "whois:web_01",
		"whois:w*":       "whois:web_00 whois:web_01 whois:worker",
		"*/worker":       "web:worker whois:worker",
		"beat":           "blog:beat",
		"beat_00":        "blog:beat",
		"worker":         "", // of two apps
		"queue_00":       "blog:queue_00",
		"blog:queue_00":  "blog:queue_00",
		"left":           "left",
		"left:*":         "left",
		"nosuch":         "",
		"nosuch:web":     "",
		"beat:beat":      "blog:beat", // of a program alone, which was a group
		"queue:*":        "blog:queue_00 blog:queue_01",
		"queue:queue_01": "blog:queue_01",
		"worker:worker":  "", // of two apps
		"[":              "",
	} {
		var got []string
		for _, w := range all.asked([]string{name}) {
			for _, l := range w.all {
				got = append(got, l.String())
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	// A process that has the name of another's worker is meant itself.
	if found := all.find("blog:queue_01"); len(found) != 1 || found[0].process.Name != "queue_01" {
		t.Errorf("blog:queue_01 is %v", found)
	}
}

// What is asked for becomes requests for workers by name, and what came of them the old
// words and exit codes.
func TestOldActions(t *testing.T) {
	outcome := func(name string, code int, message string) api.Outcome {
		return api.Outcome{Name: name, Code: code, Message: message}
	}
	for _, test := range []struct {
		args     string
		outcomes []api.Outcome
		request  api.Request
		code     int
		out, err string
	}{
		{"start off", []api.Outcome{outcome("off/beat.1", 0, "started, pid 5")}, api.Request{Action: "start", Targets: []string{"off/beat.1"}}, 0, "off:beat: started\n", ""},
		{"start off", []api.Outcome{{Name: "off/beat.1", Code: 7, Message: "not started: no\nend", Output: []string{"bad thing"}}}, api.Request{Action: "start", Targets: []string{"off/beat.1"}}, 7,
			"off:beat: ERROR (spawn error)\n", "supervisorctl: off:beat: not started: no end\nsupervisorctl: off:beat: bad thing\n"},
		{"start off", []api.Outcome{outcome("off/beat.1", 1, "a stop was asked for meanwhile")}, api.Request{Action: "start", Targets: []string{"off/beat.1"}}, 1,
			"off:beat: ERROR (failed)\n", "supervisorctl: off:beat: a stop was asked for meanwhile\n"},
		{"start whois:web_00", nil, api.Request{}, 0, "whois:web_00: ERROR (already started)\n", ""},
		{"start whois:*", nil, api.Request{}, 0, "", ""},
		{"start all", []api.Outcome{outcome("off/beat.1", 0, "started")}, api.Request{Action: "start", Targets: []string{"off/beat.1"}}, 0, "off:beat: started\n", ""},
		{"stop off whois:web_01", []api.Outcome{outcome("off/beat.1", 0, "already stopped"), outcome("whois/web.2", 0, "stopped")},
			api.Request{Action: "stop", Targets: []string{"off/beat.1", "whois/web.2"}}, 0, "off:beat: ERROR (not running)\nwhois:web_01: stopped\n", ""},
		{"restart whois:web_01", []api.Outcome{outcome("whois/web.2", 9, "not restarted; the old worker goes on")}, api.Request{Action: "restart", Targets: []string{"whois/web.2"}}, 7,
			"whois:web_01: stopped\nwhois:web_01: ERROR (spawn error)\n", "supervisorctl: whois:web_01: not restarted; the old worker goes on\n"},
		{"restart all", []api.Outcome{outcome("off/beat.1", 0, "restarted"), outcome("whois/web.1", 0, "restarted"), outcome("whois/web.2", 0, "restarted")},
			api.Request{Action: "restart", Targets: []string{"off/beat.1", "whois/web.1", "whois/web.2"}}, 0,
			"whois:web_00: stopped\nwhois:web_01: stopped\noff:beat: started\nwhois:web_00: started\nwhois:web_01: started\n", ""},
		{"signal HUP whois:web", []api.Outcome{outcome("whois/web.1", 0, "sent"), outcome("whois/web.2", 3, "not running")},
			api.Request{Action: "signal", Signal: "HUP", Targets: []string{"whois/web.1", "whois/web.2"}}, 7, "whois:web_00: signalled\nwhois:web_01: ERROR (not running)\n", ""},
		{"signal NOSUCH whois:web_00", nil, api.Request{}, 1, "whois:web_00: ERROR (bad signal name)\n", ""},
		{"clear whois:web_00", nil, api.Request{}, 1, "whois:web_00: ERROR (failed)\n", "supervisorctl: whois:web_00: its log is that of all workers of the process; clear whois/web\n"},
		{"clear whois:*", []api.Outcome{outcome("whois/web", 1, "not cleared: full")}, api.Request{Action: "clear", Targets: []string{"whois/web"}}, 1,
			"whois:web_00: ERROR (failed)\nwhois:web_01: ERROR (failed)\n", "supervisorctl: whois:web_00: not cleared: full\nsupervisorctl: whois:web_01: not cleared: full\n"},
		{"shutdown", nil, api.Request{Action: "shutdown"}, 0, "Shut down\n", ""},
		{"pid whois:web_00 off", nil, api.Request{}, 7, "4711\n0\n", ""},
		{"pid all", nil, api.Request{}, 0, "0\n4711\n4712\n", ""},
		{"fg whois:web_00", nil, api.Request{}, 1, "ERROR: supd gives no process anything to read; `supctl logs -f whois/web` shows what it prints\n", ""},
		{"version", nil, api.Request{}, 0, "1.2.3\n", ""},
		{"tail whois:*", nil, api.Request{}, 0, "\n", ""},
		{"tail all", nil, api.Request{}, 1, "all: ERROR (no such process name)\n", "supervisorctl: all: it names several processes: off/beat, whois/web\n"},
		{"tail -2000000 off", nil, api.Request{}, 1, "Error: bad argument -2000000: want 1048576 bytes at most\n", ""},
		{"maintail off", nil, api.Request{}, 1, "Error: bad argument off: maintail is for supd's own log\n", ""},
		{"reload now", nil, api.Request{}, 1, "Error: reload takes no argument; supctl reload has workers read their own configuration anew\n", ""},
	} {
		d := newFake(t.TempDir())
		serve(t, d)
		d.result = api.Result{Outcomes: test.outcomes}
		code, out, err := supervisorctl(t, strings.Fields(test.args)...)
		if code != test.code || out != test.out || err != test.err {
			t.Errorf("supervisorctl %s: exited with %d, want %d\nstdout: %s\nstderr: %s", test.args, code, test.code, out, err)
		}
		test.request.By = d.last.By
		slices.Sort(d.last.Targets)
		if d.last.Targets == nil {
			d.last.Targets = test.request.Targets
		}
		if diff := cmp.Diff(test.request, d.last); diff != "" {
			t.Errorf("supervisorctl %s sent (-want +got):\n%s", test.args, diff)
		}
	}
}

// An app that is left out is held back by its file, whatever is asked for.
func TestOldInvalid(t *testing.T) {
	d := &fake{status: &api.Status{Apps: []api.AppStatus{{Name: "left", State: api.Invalid, Note: "left.toml:3: unknown key"}}}}
	serve(t, d)
	for args, want := range map[string]string{"start left": "left: ERROR (spawn error)\n", "restart left": "left: ERROR (not running)\nleft: ERROR (spawn error)\n"} {
		code, out, err := supervisorctl(t, strings.Fields(args)...)
		if code != 7 || out != want || err != "supervisorctl: left: left.toml:3: unknown key\n" || d.last.Action != "" {
			t.Errorf("%s: exited with %d, %q, %q; sent %v", args, code, out, err, d.last)
		}
	}
	if code, out, _ := supervisorctl(t, "stop", "left"); code != 0 || out != "left: ERROR (not running)\n" {
		t.Errorf("stop: exited with %d, %q", code, out)
	}
}

// supd takes 500 targets at a time, and more workers than that are asked for in several
// requests.
func TestOldManyWorkers(t *testing.T) {
	p := api.ProcessStatus{Name: "web", Count: 1100}
	result := api.Result{}
	for slot := range p.Count {
		w := oldWorker("whois", "web", slot+1, api.Running, nil)
		p.Workers = append(p.Workers, w)
		result.Outcomes = append(result.Outcomes, api.Outcome{Name: w.Name, Message: "stopped"})
	}
	d := &fake{status: &api.Status{Apps: []api.AppStatus{{Name: "whois", Processes: []api.ProcessStatus{p}}}}, result: result}
	serve(t, d)
	code, out, err := supervisorctl(t, "stop", "all")
	if code != 0 || strings.Count(out, ": stopped\n") != p.Count || err != "" {
		t.Errorf("exited with %d, %d lines, %q", code, strings.Count(out, "\n"), err)
	}
}

// Files that changed are told of, and applied, in the old words.
func TestOldFiles(t *testing.T) {
	changes := &api.Changes{Apps: []api.AppChange{
		{Name: "new", Kind: api.AppAdded, Workers: []api.WorkerChange{{Name: "new/web.1", What: api.FateStart}, {Name: "new/web.2", What: api.FateStart}}},
		{Name: "off", Kind: api.AppRemoved},
		{Name: "whois", Kind: api.AppChanged, Workers: []api.WorkerChange{{Name: "whois/web.1", What: api.FateReplace}}},
	}}
	for _, test := range []struct {
		args    string
		targets []string
		code    int
		out     string
	}{
		{"reread", nil, 0, "new: available\noff: disappeared\nwhois: changed\n"},
		{"update", nil, 0, "off: removed process group\nwhois: stopped\nwhois: updated process group\nnew: added process group\n"},
		{"update all", nil, 0, "off: removed process group\nwhois: stopped\nwhois: updated process group\nnew: added process group\n"},
		{"update nosuch whois", []string{"whois"}, 1, "ERROR: no such group: nosuch\noff: removed process group\nwhois: stopped\nwhois: updated process group\nnew: added process group\n"},
		{"add whois", nil, 0, "ERROR: process group already active\n"},
		{"remove whois", nil, 1, "ERROR: process/group still running: whois\n"},
		{"remove off", []string{"off"}, 0, "off: removed process group\nwhois: stopped\nwhois: updated process group\nnew: added process group\n"},
		{"avail", nil, 0, "off:beat                         in use    manual    999:999\nwhois:web_00                     in use    auto      999:999\n" +
			"new:web_00                       avail     auto      999:999\nwhois:web_01                     in use    auto      999:999\nnew:web_01                       avail     auto      999:999\n"},
	} {
		d := newFake(t.TempDir())
		serve(t, d)
		d.status.Apps[1].Processes[0].Autostart = true
		d.changes, d.result = changes, api.Result{Changes: changes} // whatever apps are named
		code, out, err := supervisorctl(t, strings.Fields(test.args)...)
		if code != test.code || out != test.out || err != "" || !slices.Equal(d.last.Targets, test.targets) {
			t.Errorf("%s: exited with %d, %q, sent %q\n%s", test.args, code, err, d.last.Targets, out)
		}
	}
	d := newFake(t.TempDir())
	serve(t, d)
	d.changes = &api.Changes{}
	if code, out, _ := supervisorctl(t, "reread"); code != 0 || out != "No config updates to processes\n" {
		t.Errorf("reread: exited with %d, %q", code, out)
	}
	d.result = api.Result{Changes: d.changes, Outcomes: []api.Outcome{{Name: "whois/web.1", Code: 9, Message: "the old worker goes on"}}}
	if code, out, err := supervisorctl(t, "update"); code != 1 || out != "" || err != "supervisorctl: whois/web.1: the old worker goes on\n" {
		t.Errorf("update: exited with %d, %q, %q", code, out, err)
	}
	d.result = *api.Refuse(api.CodeInvalid, "apps/whois.toml:3: unknown key")
	for _, action := range []string{"update", "reload"} {
		if code, out, _ := supervisorctl(t, action); code != 1 || out != "ERROR: CANT_REREAD: apps/whois.toml:3: unknown key\n" {
			t.Errorf("%s: exited with %d, %q", action, code, out)
		}
	}
}

// What is refused as a whole is told in supd's words.
func TestOldRefused(t *testing.T) {
	d := newFake(t.TempDir())
	serve(t, d)
	d.result = *api.Refuse(api.CodeFailed, "whois is being rolled out")
	if code, out, err := supervisorctl(t, "restart", "whois:*"); code != 1 || out != "ERROR: whois is being rolled out\n" || err != "" {
		t.Errorf("exited with %d, %q, %q", code, out, err)
	}
	d.asked = make(chan api.Request)
	ctx, interrupt := context.WithCancel(t.Context())
	var out, errs bytes.Buffer
	ended := make(chan int)
	go func() { ended <- runOld(ctx, []string{"stop", "all"}, nil, &out, &errs) }()
	<-d.asked
	interrupt()
	if code := <-ended; code != 130 || out.Len() > 0 || errs.String() != "supervisorctl: interrupted; supd goes on with what it has begun\n" {
		t.Errorf("exited with %d, %q, %q", code, out.String(), errs.String())
	}
}

// tail shows bytes, from wherever a character begins or ends, and goes on.
func TestOldTail(t *testing.T) {
	dir := t.TempDir()
	d := newFake(dir)
	serve(t, d)
	var text strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&text, "line %d\n", i)
	}
	must(t, os.WriteFile(filepath.Join(dir, "web.log"), []byte(text.String()), 0o600))
	all := text.String()
	for args, bytes := range map[string]int{"tail whois:web_00": 1600, "tail whois:web_01 stderr": 1600, "tail -1 whois": 1, "tail -0 whois": 0, "tail -9 whois stdout": 9, "tail -40000 whois:*": 40000, "tail -1048576 whois": len(all)} {
		if code, out, err := supervisorctl(t, strings.Fields(args)...); code != 0 || out != all[len(all)-bytes:]+"\n" || err != "" {
			t.Errorf("%s: exited with %d, %d bytes, %q", args, code, len(out), err)
		}
	}
	ctx, interrupt := context.WithCancel(t.Context())
	shown, ended := newScreen(), make(chan int)
	go func() { ended <- runOld(ctx, []string{"tail", "-f", "whois:web_00"}, nil, shown, shown) }()
	shown.await(t, "==> Press Ctrl-C to exit <==\n"+all[len(all)-1024:])
	f, err := os.OpenFile(filepath.Join(dir, "web.log"), os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteString("more\n")
	must(t, err)
	must(t, f.Close())
	shown.await(t, all[len(all)-1024:]+"more\n")
	interrupt()
	if code := <-ended; code != 0 {
		t.Errorf("exited with %d", code)
	}
}

// Which supd is meant must be plain.
func TestOldOptions(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "supd.toml")
	must(t, os.WriteFile(file, []byte("[control]\nsocket = \""+dir+"/named.sock\"\n"), 0o600))
	t.Setenv("SUPD_SOCKET", "")
	for _, test := range []struct {
		args, env, socket, err string
	}{
		{"status", "", "/run/supd/supd.sock", ""},
		{"-c /etc/supervisor/supervisord.conf status", "", "/run/supd/supd.sock", ""},
		{"--configuration=/etc/supervisord.conf status", "", "/run/supd/supd.sock", ""},
		{"-c " + file + " status", "", dir + "/named.sock", ""},
		{"-c" + file + " status", "", dir + "/named.sock", ""},
		{"-c /srv/supervisord.conf status", "/tmp/s", "/tmp/s", ""},
		{"-c " + file + " status", "/tmp/s", "/tmp/s", ""},
		{"-c " + file + " -s unix:///tmp/other status", "/tmp/s", "/tmp/other", ""},
		{"--serverurl unix:///tmp/other -u a -p b -r h -i status", "", "/tmp/other", ""},
		{"-c /srv/supervisord.conf status", "", "", "does not tell which supd is meant"},
		{"-c supervisord.conf status", "", "", "does not tell which supd is meant"},
		{"-c " + dir + "/none.toml status", "", "", "no such file"},
		{"-s http://localhost:9001 status", "", "", "supd listens on a unix socket alone"},
		{"-s unix://relative status", "", "", "supd listens on a unix socket alone"},
		{"-z status", "", "", "unknown shorthand flag"},
		{"-c", "", "", "needs an argument"},
	} {
		t.Setenv("SUPD_SOCKET", test.env)
		o := &old{call: &call{}}
		words, err := o.options(strings.Fields(test.args))
		switch {
		case test.err == "" && (err != nil || o.socket != test.socket || !slices.Equal(words, []string{"status"})):
			t.Errorf("%s: %s, %q, %v", test.args, o.socket, words, err)
		case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
			t.Errorf("%s: error %v, want %s", test.args, err, test.err)
		}
	}
	// What follows the action is the action's.
	o := &old{call: &call{}}
	if words, err := o.options([]string{"tail", "-f", "web"}); err != nil || len(words) != 3 {
		t.Errorf("%q, %v", words, err)
	}
}

func TestOldNobodyAnswers(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "none.sock")
	for args, want := range map[string]int{"status": 4, "start all": 7, "stop all": 7, "restart a": 7, "signal HUP a": 7, "pid": 7, "pid a": 7, "tail a": 7, "tail -f a": 7, "maintail": 7, "clear a": 7,
		"version": 7, "reread": 1, "update": 1, "update a": 1, "add a": 1, "remove a": 1, "avail": 1, "reload": 1} {
		code, out, err := supervisorctl(t, append([]string{"-s", "unix://" + socket}, strings.Fields(args)...)...)
		if code != want || out != "unix://"+socket+" no such file\n" || err != "" {
			t.Errorf("%s: exited with %d, want %d, %q, %q", args, code, want, out, err)
		}
	}
	must(t, os.WriteFile(socket, nil, 0o600))
	if code, out, _ := supervisorctl(t, "-s", "unix://"+socket, "shutdown"); code != 1 || out != "ERROR: unix://"+socket+" refused connection (already shut down?)\n" {
		t.Errorf("shutdown: exited with %d, %q", code, out)
	}
}

// Without an action it asks for them.
func TestOldShell(t *testing.T) {
	serve(t, newFake(t.TempDir()))
	var out bytes.Buffer
	code := runOld(t.Context(), nil, strings.NewReader("pid whois:web_00\n\nnosuch\nexit\npid all\n"), &out, &out)
	_, rest, _ := strings.Cut(out.String(), oldPrompt)
	if want := "4711\nsupervisor> supervisor> *** Unknown syntax: nosuch\nsupervisor> \n"; code != 0 || rest != want {
		t.Errorf("exited with %d\n%s", code, out.String())
	}
	if !strings.HasPrefix(out.String(), "off:beat  ") {
		t.Errorf("begins with\n%s", out.String())
	}
}

// An output that nobody reads is no success.
func TestOldOutputLost(t *testing.T) {
	serve(t, newFake(t.TempDir()))
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	must(t, err)
	defer full.Close()
	var errs bytes.Buffer
	if code := runOld(t.Context(), []string{"pid"}, nil, full, &errs); code != 1 || !strings.Contains(errs.String(), "the output is lost") {
		t.Errorf("exited with %d, %s", code, errs.String())
	}
}
