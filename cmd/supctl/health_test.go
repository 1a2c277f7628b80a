package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"supd/supervisor/api"
	"supd/supervisor/release"
)

// calm are figures of an app in which all is well.
func calm() *api.Figures {
	return &api.Figures{At: noon, MemoryBytes: 1000, Apps: []api.AppFigures{{Name: "whois", State: api.Running,
		Sockets: []api.SocketFigures{{Name: "web", Length: 2, Limit: 8}},
		Processes: []api.ProcessFigures{{Name: "web", Workers: []api.WorkerFigures{
			{Name: "whois/web.1", Slot: 1, State: api.Running, Ready: true, Desired: true, ResidentBytes: 105, ProportionalBytes: 100},
			{Name: "whois/web.2", Slot: 2, State: api.Running, Ready: true, Desired: true, ResidentBytes: 100, LimitBytes: 300, RestartsLastHour: 2},
			{Name: "whois/web.3", Slot: 3, State: api.Exited, Desired: true},
			{Name: "whois/web.4", Slot: 4, State: api.Stopped},
		}}}}}}
}

const calmData = "| failed=0;;0;0;5 down=0;;0;0;1 not_ready=0;0;;0;4 queue=25%;50;90 memory=33.3%;80;95 restarts=2;3;10;0 paused=0s;900;14400;0\n"

func TestCheckHealth(t *testing.T) {
	web := func(f *api.Figures, n int) *api.WorkerFigures { return &f.Apps[0].Processes[0].Workers[n-1] }
	miss := func(f *api.Figures, n int, state api.State) {
		w := web(f, n)
		w.State, w.Ready, w.Missed = state, false, true
	}
	tests := []struct {
		name string
		args string
		with func(*api.Figures)
		code int
		want string // of which each line is found at the beginning of its line
	}{
		{"well", "", func(*api.Figures) {}, 0, "SUPD OK - workers: 2 ready, 1 stopped " + calmData},
		{"one is not ready", "", func(f *api.Figures) { miss(f, 2, api.Backoff) }, 1,
			"SUPD WARNING - whois/web.2 is BACKOFF | failed=0;;0;0;5 down=0;;0;0;1 not_ready=1;0;;0;4 queue=25%"},
		{"none is ready", "", func(f *api.Figures) { miss(f, 1, api.Starting); miss(f, 2, api.Unhealthy) }, 2,
			"SUPD CRITICAL - whois/web has no ready worker; whois/web.1 is STARTING; whois/web.2 is UNHEALTHY | failed=0;;0;0;5 down=1;;0;0;1 not_ready=2;0;;0;4\n" +
				"CRITICAL whois/web has no ready worker\nWARNING whois/web.1 is STARTING\nWARNING whois/web.2 is UNHEALTHY\n"},
		{"one has failed", "", func(f *api.Figures) { miss(f, 2, api.Failed) }, 2, "SUPD CRITICAL - whois/web.2 is FAILED | failed=1;;0;0;5"},
		{"release", "", func(f *api.Figures) { f.Apps[0].Note = "a|b\nc \x1b[2J" }, 2, "SUPD CRITICAL - whois: a/b c [2J | failed=1;;0;0;5"},
		{"queue", "", func(f *api.Figures) { f.Apps[0].Sockets[0].Length = 5 }, 1, "SUPD WARNING - accept queue of whois/web is 62.5% full (5 of 8) | "},
		{"full queue", "", func(f *api.Figures) { f.Apps[0].Sockets[0].Length = 8 }, 2, "SUPD CRITICAL - accept queue of whois/web is 100% full (8 of 8) | "},
		{"memory", "", func(f *api.Figures) { web(f, 1).ProportionalBytes, web(f, 2).ResidentBytes = 810, 299 }, 2,
			"SUPD CRITICAL - whois/web.2 takes 99.7% of its memory limit; whois/web.1 takes 81.0% of the machine's memory | "},
		{"restarts", "", func(f *api.Figures) { web(f, 1).RestartsLastHour, web(f, 2).RestartsLastHour = 4, 11 }, 2,
			"SUPD CRITICAL - whois/web.2 has failed 11 times in the last hour; whois/web.1 has failed 4 times in the last hour | "},
		{"paused", "", func(f *api.Figures) {
			f.Apps[0].Paused = &api.Pause{Kind: release.KindDeploy, To: "1.5", Since: noon.Add(-time.Hour), Reason: "web.1: no"}
		}, 1, "SUPD WARNING - deploy of whois to 1.5 is paused since 1h: web.1: no | failed=0;;0;0;5 down=0;;0;0;1 not_ready=0;0;;0;4 queue=25%;50;90 memory=33.3%;80;95 restarts=2;3;10;0 paused=3600s;900;14400;0\n"},
		{"paused a moment ago", "", func(f *api.Figures) { f.Apps[0].Paused = &api.Pause{Since: noon.Add(time.Second)} }, 0, "SUPD OK - "},
		{"ranges", "-w restarts=1,queue=@20:30 --crit queue=~: --warn memory=~:", func(f *api.Figures) { miss(f, 1, api.Starting); web(f, 2).ResidentBytes = 280 }, 1,
			"SUPD WARNING - whois/web.1 is STARTING; accept queue of whois/web is 25.0% full (2 of 8); whois/web.2 has failed 2 times in the last hour " +
				"| failed=0;;0;0;5 down=0;;0;0;1 not_ready=1;0;;0;4 queue=25%;@20:30;~: memory=93.3%;~:;95 restarts=2;1;10;0 paused=0s;900;14400;0\n"},
		{"no app", "--crit restarts=1:", func(f *api.Figures) { f.Apps = nil }, 2, "SUPD CRITICAL - restarts is 0 | failed=0;;0;0 down=0;;0;0 not_ready=0;0;;0 queue=0%"},
	}
	d := newFake("/nonexistent")
	serve(t, d)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := calm()
			test.with(f)
			d.figures = func() *api.Figures { return f }
			code, out, err := supctl(t, append([]string{"check-health"}, strings.Fields(test.args)...)...)
			lines := strings.Split(out, "\n")
			for i, want := range strings.Split(strings.TrimSuffix(test.want, "\n"), "\n") {
				if i >= len(lines) || !strings.HasPrefix(lines[i], want) {
					t.Errorf("%q is missing in\n%s", want, out)
				}
			}
			if code != test.code || err != "" || strings.HasSuffix(test.want, "\n") && strings.Count(out, "\n") < strings.Count(test.want, "\n") {
				t.Errorf("exited with %d, want %d, %s\n%s", code, test.code, err, out)
			}
		})
	}
}

// However much is wrong, the answer is one that Nagios takes whole.
func TestHealthIsBounded(t *testing.T) {
	f := &api.Figures{At: noon}
	for i := range 1000 {
		name := fmt.Sprintf("%d%s", i, strings.Repeat("é|", 300))
		f.Apps = append(f.Apps, api.AppFigures{Name: name, Note: "x", Processes: []api.ProcessFigures{{Name: "p", Workers: []api.WorkerFigures{
			{Name: name, State: api.Failed, Desired: true, Missed: true, RestartsLastHour: 100}}}}})
	}
	limits, err := healthOptions{timeout: 1}.limits()
	must(t, err)
	text := judge(f, limits).String()
	first, rest, _ := strings.Cut(text, "\n")
	if len(text) > longestAnswer+30 || len(first) > 700 || strings.Count(first, "|") != 1 || strings.Contains(rest, "|") {
		t.Errorf("%d bytes, the first line %d:\n%s", len(text), len(first), text)
	}
	if !strings.Contains(first, "more |") || !strings.Contains(rest, "\nand ") {
		t.Errorf("does not say that there is more:\n%s", text)
	}
}

// Whatever is wrong with the question or with supd: nothing is known, and it is said
// where a monitor looks.
func TestHealthIsUnknown(t *testing.T) {
	serve(t, newFake("/nonexistent"))
	tests := []struct{ args, want string }{
		{"check-health nosuch", `no such target "nosuch"; ` + "`supctl status` shows all"},
		{"check-health --bogus", "unknown flag: --bogus (see supctl check-health --help)"},
		{"check-health -w restarts", `--warn restarts: range "": want a number, or START:END`},
		{"check-health -w restarts=9:1", `--warn restarts=9:1: range "9:1": begins after its end`},
		{"check-health -c x=1", "--crit x=1: want NAME=RANGE, with a name of failed, down, not_ready, queue, memory, restarts, paused (see"},
		{"check-health -t 0s", "--timeout 0s: want more than 0"},
		{"check-health --socket /nonexistent", "no supd answers on /nonexistent: no such file or directory; is it running? `supctl check --config FILE` tells whether it could\n"},
	}
	for _, test := range tests {
		code, out, err := supctl(t, strings.Fields(test.args)...)
		if code != 3 || err != "" || !strings.HasPrefix(out, "SUPD UNKNOWN - "+test.want) || strings.Count(out, "\n") != 1 {
			t.Errorf("supctl %s: exited with %d\n%s%s", test.args, code, out, err)
		}
	}
	if code, out, _ := supctl(t, "check-health", "--json", "nosuch"); code != 3 ||
		out != `{"state":"UNKNOWN","code":3,"summary":"no such target \"nosuch\"; `+"`supctl status`"+` shows all","checks":[],"problems":[]}`+"\n" {
		t.Errorf("exited with %d\n%s", code, out)
	}
}

func TestHealthIsLate(t *testing.T) {
	entered, leave := make(chan struct{}, 2), make(chan struct{})
	d := newFake("/nonexistent")
	d.figures = func() *api.Figures {
		entered <- struct{}{}
		<-leave
		return calm()
	}
	serve(t, d)
	defer close(leave)
	code, out, _ := supctl(t, "check-health", "-t", "50ms")
	if code != 3 || out != "SUPD UNKNOWN - supd on "+socketOf(t)+" does not answer within 50ms\n" {
		t.Errorf("exited with %d\n%s", code, out)
	}
	<-entered
	ctx, interrupt := context.WithCancel(t.Context())
	var stdout, stderr bytes.Buffer
	ended := make(chan int)
	go func() { ended <- run(ctx, []string{"check-health"}, &stdout, &stderr) }()
	<-entered
	interrupt()
	if code := <-ended; code != 3 || stdout.String() != "SUPD UNKNOWN - interrupted\n" {
		t.Errorf("exited with %d\n%s%s", code, &stdout, &stderr)
	}
}

func TestHealthAsJSON(t *testing.T) {
	d := newFake("/nonexistent")
	d.figures = func() *api.Figures {
		f := calm()
		f.Apps[0].Sockets[0].Length = 8
		return f
	}
	serve(t, d)
	code, out, err := supctl(t, "check-health", "--json")
	want := `{"state":"CRITICAL","code":2,"summary":"accept queue of whois/web is 100% full (8 of 8)","checks":[` +
		`{"name":"failed","value":0,"unit":"","warn":"","crit":"0","state":"OK"},`
	if code != 2 || err != "" || !strings.HasPrefix(out, want) || !strings.HasSuffix(out, `"problems":[{"state":"CRITICAL","check":"queue","text":"accept queue of whois/web is 100% full (8 of 8)"}]}`+"\n") {
		t.Errorf("exited with %d, %s\n%s", code, err, cmp.Diff(want, out))
	}
}
