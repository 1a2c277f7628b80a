package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"supd/supervisor/api"
)

// everyState has a worker in each state, as of now.
func everyState(now time.Time) *api.Status {
	ago := func(d time.Duration) *time.Time { at := now.Add(-d); return &at }
	exit := func(d time.Duration, reason string) *api.Exit {
		return &api.Exit{Code: 3, At: now.Add(-d), Reason: reason}
	}
	return &api.Status{Apps: []api.AppStatus{
		{Name: "whois", Processes: []api.ProcessStatus{{Name: "web", Workers: []api.WorkerStatus{
			{Name: "whois/web.1", State: api.Running, Pid: 4711, StartedAt: ago(62 * time.Second)},
			{Name: "whois/web.2", State: api.Running, Pid: 4712, StartedAt: ago(76*time.Hour + 5*time.Minute + 6*time.Second), Release: "1.4.0", Note: "pid 4713 STARTING"},
			{Name: "whois/web.3", State: api.Backoff, LastExit: exit(12*time.Second, "exited with code 3"), Restarts: 4, NextStart: ago(-3 * time.Second), Try: 5},
			{Name: "whois/web.4", State: api.Running, Pid: 4714, StartedAt: ago(9 * time.Second), LastExit: exit(9*time.Second, "6 children died young"), Restarts: 7, Try: 3},
			{Name: "whois/web.5", State: api.Unhealthy, Pid: 4715, StartedAt: ago(9 * time.Second), Restarts: 1, Note: "GET /: 503"},
			{Name: "whois/web.10", State: api.Failed, LastExit: exit(5*time.Minute, "killed by SIGSEGV"), Restarts: 1},
		}}}},
		{Name: "x", Processes: []api.ProcessStatus{{Name: "y", Workers: []api.WorkerStatus{
			{Name: "x/y.1", State: api.Starting, Pid: 9, StartedAt: ago(0)},
			{Name: "x/y.2", State: api.Starting, Note: "waits for web"},
			{Name: "x/y.3", State: api.Stopping, Pid: 10, StartedAt: ago(25 * time.Hour), LastExit: exit(time.Hour, "old")},
			{Name: "x/y.4", State: api.Exited, LastExit: exit(3*time.Hour, "exited with code 0")},
			{Name: "x/y.5", State: api.Stopped},
			{Name: "x/y.6", State: api.Starting, Pid: 11, StartedAt: ago(5 * time.Second), LastExit: exit(6*time.Second, "not ready within 1m0s"), Restarts: 2, Try: 3},
			{Name: "x/y.7", State: api.Backoff, LastExit: exit(time.Second, "app.env:1: want NAME=value\napp.env:2: \x1b[2Jwant NAME=value"), Note: "a\nb"},
		}}}},
	}}
}

func TestStatusLines(t *testing.T) {
	now := time.Now()
	want := `
whois/web.1    RUNNING     pid 4711, uptime 0:01:02
whois/web.2    RUNNING     pid 4712, uptime 3 days, 4:05:06, release 1.4.0 (pid 4713 STARTING)
whois/web.3    BACKOFF     exited with code 3 12s ago, 4 restarts, next in 3s (try 5)
whois/web.4    RUNNING     pid 4714, uptime 0:00:09, 7 restarts, last: 6 children died young 9s ago
whois/web.5    UNHEALTHY   pid 4715, uptime 0:00:09, 1 restart (GET /: 503)
whois/web.10   FAILED      killed by SIGSEGV 5m ago, 1 restart
x/y.1          STARTING    pid 9, uptime 0:00:00
x/y.2          STARTING    (waits for web)
x/y.3          STOPPING    pid 10, uptime 1 day, 1:00:00
x/y.4          EXITED      exited with code 0 3h ago
x/y.5          STOPPED
x/y.6          STARTING    pid 11, uptime 0:00:05, try 3; before: not ready within 1m0s 6s ago, 2 restarts
x/y.7          BACKOFF     app.env:1: want NAME=value app.env:2: [2Jwant NAME=value 1s ago (a b)
`
	var b bytes.Buffer
	writeStatus(&b, everyState(now), now, unlimited, false)
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestStatusOfWhatIsBehind: a worker of an older configuration is marked, and is no
// success.
func TestStatusOfWhatIsBehind(t *testing.T) {
	now := time.Date(2026, 3, 1, 17, 2, 0, 0, time.Local)
	at := time.Date(2026, 3, 1, 16, 37, 12, 0, time.Local)
	before := at.AddDate(0, 0, -1)
	worker := api.WorkerStatus{Name: "a/web.1", State: api.Running, Pid: 7, Behind: &api.Behind{AppliedAt: &at, Why: "exited with code 3"}}
	for want, behind := range map[string]api.Behind{
		"(runs the configuration of 16:37; the new one failed: exited with code 3)": {AppliedAt: &at, Why: "exited with code 3"},
		"(runs the configuration of 2026-02-28 16:37; the new one failed: no user)": {AppliedAt: &before, Why: "no user"},
		"(runs an older configuration; the new one failed: no user)":                {Why: "no user"},
	} {
		w := worker
		w.Behind = &behind
		if got := details(&w, now); got != "pid 7 "+want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
	if code := codeOf(&api.Status{Apps: []api.AppStatus{{Processes: []api.ProcessStatus{{Workers: []api.WorkerStatus{worker}}}}}}); code != api.CodeNotRunning {
		t.Errorf("exit code %d", code)
	}
}

func TestColorsKeepTheColumns(t *testing.T) {
	now := time.Now()
	var colored, uncolored bytes.Buffer
	writeStatus(&colored, everyState(now), now, unlimited, true)
	writeStatus(&uncolored, everyState(now), now, unlimited, false)
	if !strings.Contains(colored.String(), "\x1b[32mRUNNING\x1b[0m ") {
		t.Errorf("no green:\n%q", colored.String())
	}
	text := colored.String()
	for _, code := range append([]string{plain}, colors[api.Running], colors[api.Starting], colors[api.Failed]) {
		text = strings.ReplaceAll(text, code, "")
	}
	if diff := cmp.Diff(uncolored.String(), text); diff != "" {
		t.Errorf("(-without +with colours taken out):\n%s", diff)
	}
}

// A terminal has a line for each worker, however much there is to say; of one worker alone
// it shows all.
func TestStatusOnATerminal(t *testing.T) {
	d := newFake("/nonexistent")
	d.status.Apps[1].Processes[0].Workers[1].Note = strings.Repeat("long ", 100)
	serve(t, d)
	for target, want := range map[string]int{"whois": 2, "whois/web.2": 7} {
		got, longest := onTerminal(t, 80, "status", target), 0
		lines := strings.Split(strings.TrimSpace(got), "\n")
		for _, line := range lines {
			longest = max(longest, (length(line)+79)/80)
		}
		if rows := len(lines) - 1 + longest; rows != want {
			t.Errorf("status %s takes %d rows:\n%s", target, rows, got)
		}
	}
}

// What keeps an app from running is said once, by its worker where that has room.
func TestStatusSaysOnceWhatHoldsBack(t *testing.T) {
	why := "socket web: tcp:127.0.0.1:80: bind: address already in use"
	d := newFake("/nonexistent")
	app := &d.status.Apps[1]
	web := app.Processes[0].Workers
	serve(t, d)
	for _, prefix := range []string{"", "release 1.4.0 cannot be started: "} {
		web[1].Note, app.Note = why, prefix+why
		if code, out, errs := supctl(t, "status"); code != 3 || strings.Count(out, why) != 1 || errs != "" {
			t.Errorf("exited with %d, %q, %q", code, out, errs)
		}
	}
	if got := onTerminal(t, 80, "status"); strings.Count(got, why) != 1 || !strings.Contains(got, "whois   release 1.4.0 cannot be started: "+why) {
		t.Errorf("where it has no room:\n%s", got)
	}
	web[1].Note, app.Note = why, why+"; user \"x\" does not exist"
	if _, _, errs := supctl(t, "status"); errs != "whois   "+app.Note+"\n" {
		t.Errorf("where there is more to say: %q", errs)
	}
}

// Standard output has a line a worker and nothing else; the exit code is 3 only where
// something is not as wished.
func TestStatusAsWished(t *testing.T) {
	d := newFake("/nonexistent")
	off := &d.status.Apps[0].Processes[0].Workers[0]
	serve(t, d)
	for wished, want := range map[bool]int{false: 3, true: 0} {
		off.AsWished = wished
		if code, out, errs := supctl(t, "status"); code != want || errs != "" || strings.Count(out, "\n") != 3 {
			t.Errorf("as wished %v: exited with %d, %q, %q", wished, code, out, errs)
		}
	}
	off.AsWished = true
	d.status.Apps = append(d.status.Apps, api.AppStatus{Name: "z", Processes: []api.ProcessStatus{{Name: "none", Workers: []api.WorkerStatus{}}}})
	if code, out, errs := supctl(t, "status"); code != 0 || strings.Contains(out, "none") || errs != "z/none   has no workers: count = 0\n" {
		t.Errorf("count 0: exited with %d, %q, %q", code, out, errs)
	}
	d.status.Apps = nil
	if code, out, errs := supctl(t, "status"); code != 0 || out != "" || errs != "nothing runs: no app is configured\n" {
		t.Errorf("no app: exited with %d, %q, %q", code, out, errs)
	}
}

// The last lines of a process are shown where it is named alone.
func TestStatusShowsLastLines(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "web.log"), []byte(strings.Repeat("x\n", 20)+"last\x1b[2J\r\nwords"), 0o600))
	d := newFake(dir)
	serve(t, d)
	const words = "    last[2J\n    words\n"
	for args, want := range map[string]string{"status whois/web": words, "status whois:web": words, "status whois/web.2": words, "status whois/web.1 whois/web.2": words,
		"status whois": "", "status": "", "status --json whois/web": "", "status whois/web off/beat": "", "status off/beat": ""} {
		_, out, errs := supctl(t, strings.Fields(args)...)
		if got := strings.TrimPrefix(errs, strings.Repeat("    x\n", statusLines-2)); got != want || strings.Contains(out, "words") {
			t.Errorf("%s: %q, %q", args, out, errs)
		}
	}
	d.status.Apps[1].Processes[0].Log = "journal:whois/web"
	if _, _, errs := supctl(t, "status", "whois/web"); !strings.Contains(errs, "journalctl SUPD_APP=whois") {
		t.Errorf("of the journal: %q", errs)
	}
}

// Lines of any length are shown beside a state only as far as somebody reads them.
func TestStatusShowsNoMoreThanIsRead(t *testing.T) {
	dir := t.TempDir()
	serve(t, newFake(dir))
	for name, test := range map[string]struct {
		log, end string
		most     int
	}{
		"long lines": {strings.Repeat(strings.Repeat("x", 20<<10)+"\n", 9) + "why\n", "x\n    why\n", mostQuoted + 100},
		"no line":    {strings.Repeat("x", 2*mostAwaited), "the last 10 lines of whois/web are longer than 1 MiB; `supctl logs whois/web` shows them\n", 200},
	} {
		must(t, os.WriteFile(filepath.Join(dir, "web.log"), []byte(test.log), 0o600))
		code, out, errs := supctl(t, "status", "whois/web")
		if code != 0 || strings.Count(out, "\n") != 2 || !strings.HasSuffix(errs, test.end) || len(errs) > test.most {
			t.Errorf("%s: exited with %d, %q and %d bytes, the last of which are %q", name, code, out, len(errs), errs[max(0, len(errs)-200):])
		}
	}
}

func TestCoarse(t *testing.T) {
	tests := map[time.Duration]string{
		-time.Second: "0s", 0: "0s", 1400 * time.Millisecond: "1s", 59 * time.Second: "59s", time.Minute: "1m", 59*time.Minute + 59*time.Second: "59m",
		time.Hour: "1h", 47 * time.Hour: "47h", 48 * time.Hour: "2d", 100 * 24 * time.Hour: "100d",
	}
	for d, want := range tests {
		if got := coarse(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}

// An interrupt is the normal end of a watch.
func TestWatch(t *testing.T) {
	s := serve(t, newFake("/nonexistent"))
	for _, test := range []struct {
		args string
		want string
	}{
		{"status --watch off", "off/beat.1   STOPPED\n"},
		{"status --watch --json off", `{"apps":[{"name":"off"`},
	} {
		ctx, interrupt := context.WithCancel(t.Context())
		out, errs := newScreen(), newScreen()
		ended := make(chan int)
		go func() { ended <- run(ctx, strings.Fields(test.args), out, errs) }()
		out.await(t, test.want)
		interrupt()
		if code := <-ended; code != 0 || errs.String() != "" {
			t.Errorf("%s: exited with %d, %s", test.args, code, errs)
		}
	}
	out, errs := newScreen(), newScreen()
	ended := make(chan int)
	go func() { ended <- run(t.Context(), []string{"status", "--watch"}, out, errs) }()
	out.await(t, "RUNNING")
	must(t, s.Shutdown(t.Context()))
	if code := <-ended; code != 4 || !strings.Contains(errs.String(), "has ended") {
		t.Errorf("exited with %d, %s", code, errs)
	}
}
