package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"supd/supervisor/api"
	"supd/supervisor/control"
	"supd/supervisor/release"
)

// busy are figures of two apps after so many seconds, in which whois/web.1 has used one
// CPU and answered 100 requests a second, of which two failed.
func busy(seconds int) *api.Figures {
	n := int64(seconds)
	return &api.Figures{At: noon.Add(time.Duration(seconds) * time.Second), MemoryBytes: 16 << 30, Apps: []api.AppFigures{
		{Name: "jobs", State: api.Backoff, Note: "evil \x1b[2J note", Processes: []api.ProcessFigures{{Name: "beat", Workers: []api.WorkerFigures{
			{Name: "jobs/beat.1", Slot: 1, State: api.Backoff, Desired: true, Missed: true, Restarts: 123, RestartsLastHour: 12}}}}},
		{Name: "whois", State: api.Running, Release: "1.5.0",
			Paused:  &api.Pause{Kind: release.KindDeploy, To: "1.6.0", Since: noon.Add(-2 * time.Hour), Reason: "no"},
			Sockets: []api.SocketFigures{{Name: "web", Length: 1100, Limit: 2048}, {Name: "admin", Length: 1, Limit: 2048}},
			Processes: []api.ProcessFigures{
				{Name: "web", Sockets: []string{"admin", "web"}, Workers: []api.WorkerFigures{
					{Name: "whois/web.1", Slot: 1, State: api.Running, Ready: true, Desired: true, Release: "1.5.0", CPUSeconds: 50 + float64(n),
						ResidentBytes: 900 << 20, ProportionalBytes: 612 << 20, OpenFDs: 97, FDsUsedRatio: 0.97, Requests: &api.Requests{Total: 1000 + 100*n, Errors: 5 + 2*n}},
					{Name: "whois/web.2", Slot: 2, State: api.Unhealthy, Desired: true, Missed: true, Release: "1.4.0", CPUSeconds: 7,
						ResidentBytes: 2 << 30, LimitBytes: 2 << 30, OpenFDs: 40, Requests: &api.Requests{Total: 1000}}}},
				{Name: "worker", Workers: []api.WorkerFigures{
					{Name: "whois/worker.1", Slot: 1, State: api.Running, Ready: true, Desired: true, Release: "1.5.0", CPUSeconds: 100 + 2.5*float64(n), ResidentBytes: 30 << 20, OpenFDs: 9}}}}},
	}}
}

func TestTop(t *testing.T) {
	first := topView{now: busy(0), key: 'n'}
	second := func(v topView) topView { v.now, v.before = busy(10), busy(0); return v }
	lost := second(topView{key: 'n'})
	lost.take(nil, errors.New("no \x1b[31manswer"))
	tests := []struct {
		name          string
		view          topView
		width, height int
		colored       bool
		want          string
	}{
		{"first look", first, 80, 10, false, `
4 workers, 2 not ready   CPU -%   MEM 2.6G of 16G   12:03:04
NAME            STATE      RELEASE   CPU%    MEM   FDS  RST      QUEUE
jobs/beat.1     BACKOFF                 -      -     -  123
whois/web.1     RUNNING    1.5.0        -   612M    97    0  1100/2048
whois/web.2     UNHEALTHY  1.4.0        -   2.0G    40    0  1100/2048
whois/worker.1  RUNNING    1.5.0        -    30M     9    0

jobs: evil [2J note
whois: deploy of 1.6.0 is paused since 2h: no
q quit  a apps  n name  c cpu  m mem  f fds  r rst  w queue
`},
		{"80 columns hold it all", second(topView{key: 's'}), 80, 10, false, `
4 workers, 2 not ready   CPU 350%   MEM 2.6G of 16G   12:03:14
NAME           STATE     RELEASE  CPU%   MEM  FDS RST     QUEUE REQ/S↓ 5XX%
whois/web.1    RUNNING   1.5.0     100  612M   97   0 1100/2048    100  2.0
whois/web.2    UNHEALTHY 1.4.0     0.0  2.0G   40   0 1100/2048    0.0
jobs/beat.1    BACKOFF             0.0     -    - 123
whois/worker.1 RUNNING   1.5.0     250   30M    9   0

jobs: evil [2J note
whois: deploy of 1.6.0 is paused since 2h: no
q quit  a apps  n name  c cpu  m mem  f fds  r rst  w queue  s req/s  e 5xx
`},
		{"60 columns", second(topView{key: 'c'}), 60, 7, false, `
4 workers, 2 not ready   CPU 350%   MEM 2.6G of 16G   12:03…
NAME           STATE     CPU%↓   MEM     QUEUE REQ/S 5XX%
whois/worker.1 RUNNING     250   30M
whois/web.1    RUNNING     100  612M 1100/2048   100  2.0
jobs/beat.1    BACKOFF     0.0     -
jobs: evil [2J note
q quit  a apps  ↑↓ scroll  n name  c cpu  m mem  w queue  s…
`},
		{"20 columns", second(topView{key: 'n', top: 9}), 20, 5, true, `
4 workers, 2 not re…
NAME           STATE
whois/worker.1 RUNN…
jobs: evil [2J note
q quit  a apps  ↑↓ …
`},
		{"apps", second(topView{key: 'm', apps: true}), 80, 6, false, `
4 workers, 2 not ready   CPU 350%   MEM 2.6G of 16G   12:03:14
NAME   STATE    READY  RELEASE   CPU%   MEM↓   FDS  RST      QUEUE  REQ/S  5XX%
whois  RUNNING    2/3  1.5.0      350   2.6G   146    0  1100/2048    100   2.0
jobs   BACKOFF    0/1             0.0      -     -  123
jobs: evil [2J note
q quit  a workers  n name  c cpu  m mem  f fds  r rst  w queue  s req/s  e 5xx
`},
		{"coloured", second(topView{key: 'e'}), 100, 8, true, `
4 workers, 2 not ready   CPU 350%   MEM 2.6G of 16G   12:03:14
NAME            STATE      RELEASE   CPU%    MEM   FDS  RST      QUEUE  REQ/S  5XX%↓
whois/web.1     GREENRUNNINGPLAIN    1.5.0      100   612M    RED97PLAIN    0  YELLOW1100/2048PLAIN    100    YELLOW2.0PLAIN
jobs/beat.1     REDBACKOFFPLAIN               0.0      -     -  RED123PLAIN
whois/web.2     REDUNHEALTHYPLAIN  1.4.0      0.0   RED2.0GPLAIN    40    0  YELLOW1100/2048PLAIN    0.0
jobs: evil [2J note
whois: deploy of 1.6.0 is paused since 2h: no
q quit  a apps  ↑↓ scroll  n name  c cpu  m mem  f fds  r rst  w queue  s req/s  e 5xx
`},
		{"supd has gone", lost, 80, 8, false, `
4 workers, 2 not ready   CPU 350%   MEM 2.6G of 16G   12:03:14
NAME           STATE     RELEASE  CPU%   MEM  FDS RST     QUEUE REQ/S 5XX%
jobs/beat.1    BACKOFF             0.0     -    - 123
whois/web.1    RUNNING   1.5.0     100  612M   97   0 1100/2048   100  2.0
whois/web.2    UNHEALTHY 1.4.0     0.0  2.0G   40   0 1100/2048   0.0
whois/worker.1 RUNNING   1.5.0     250   30M    9   0
no answer
q quit  a apps  n name  c cpu  m mem  f fds  r rst  w queue  s req/s  e 5xx
`},
		{"tiny", second(topView{key: 'n'}), 1, 3, false, "\n…\n…\n…\n"},
		{"nothing", topView{now: &api.Figures{At: noon}, key: 'n'}, 80, 3, false, `
0 workers, 0 not ready   CPU -%   MEM -   12:03:04
NAME  STATE      RELEASE   CPU%    MEM   FDS  RST  QUEUE  REQ/S  5XX%
q quit  a apps  n name  c cpu  m mem  f fds  r rst  w queue  s req/s  e 5xx
`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := "\n" + strings.Join(test.view.lines(test.width, test.height, test.colored), "\n") + "\n"
			got = strings.NewReplacer("\x1b[32m", "GREEN", yellow, "YELLOW", red, "RED", plain, "PLAIN").Replace(got)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// No terminal is so small that more is drawn than it has room for.
func TestTopFits(t *testing.T) {
	v := topView{now: busy(10), before: busy(0), key: 'c'}
	for width := range 120 {
		for height := range 14 {
			for _, v.apps = range []bool{false, true} {
				lines := v.lines(width, height, false)
				if len(lines) > height {
					t.Fatalf("%d lines of %d", len(lines), height)
				}
				for _, line := range lines {
					if length(line) > max(width, 1) {
						t.Fatalf("%d columns: %q", width, line)
					}
				}
			}
		}
	}
}

// What was seen before a supd was killed may be more than the next one knows.
func TestTopWhenCountersGoBack(t *testing.T) {
	before, now := busy(10), busy(0)
	now.At = before.At.Add(time.Second)
	for _, l := range loadsOf(now, before, false) {
		if l.cpu < 0 || l.requests < 0 && strings.HasPrefix(l.name, "whois/web") || l.errors > 0 {
			t.Errorf("%s: %+v", l.name, l.rates)
		}
	}
	for _, l := range loadsOf(busy(10), busy(20), true) { // the clock was set back
		if l.rates != (rates{-1, -1, -1}) {
			t.Errorf("%s: %+v", l.name, l.rates)
		}
	}
}

func TestTopKeys(t *testing.T) {
	v := topView{now: busy(0), key: 'n'}
	for _, key := range []string{"down", "down", "up", "page down", "x", "N", "down"} {
		if !v.press(key, 5) {
			t.Errorf("%s ends it", key)
		}
	}
	if v.top != 7 || v.key != 'n' || v.apps {
		t.Errorf("%+v", v)
	}
	v.lines(80, 8, false)
	if v.top != 1 { // 4 rows, in a room of 3
		t.Errorf("row %d is the first", v.top)
	}
	v.press("page up", 5)
	v.lines(80, 8, false)
	v.press("w", 5)
	v.press("a", 5)
	if v.top != 0 || v.key != 'w' || !v.apps {
		t.Errorf("%+v", v)
	}
	if v.press("q", 5) || v.press(ctrlC, 5) {
		t.Error("it goes on")
	}
	v.take(nil, &control.Error{Message: "other"})
	if v.trouble != "other" {
		t.Errorf("%q", v.trouble)
	}
	if v.take(busy(5), nil); v.trouble != "" || v.before == nil {
		t.Errorf("%+v", v)
	}
}

func TestParseKeys(t *testing.T) {
	for text, want := range map[string][]string{
		"":                            nil,
		"qa\x03":                      {"q", "a", ctrlC},
		"\x1b[A\x1bOBc":               {"up", "down", "c"},
		"\x1b[5~\x1b[6~":              {"page up", "page down"},
		"\x1b[1;5Cq":                  {"q"}, // control and right
		"\x1bq":                       {"q"}, // alt
		"\x1b":                        nil,
		"\x1b[":                       nil,
		"\x1b[\x1b[A":                 {"A"},
		"\x1b[200~a\x1b[201~\xc3\xa4": {"a", "\xc3", "\xa4"},
	} {
		if diff := cmp.Diff(want, parseKeys([]byte(text))); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

func TestShortFigures(t *testing.T) {
	var got []string
	for _, n := range []float64{0, 0.04, 0.05, 99.94, 99.95, 9999.4, 9999.5, 123456} {
		got = append(got, short(n))
	}
	for _, n := range []int64{0, 1, 1023 << 10, 999 << 10, 10 << 20, 9<<20 + 1<<19, 1 << 30, 5 << 40, 1 << 60} {
		got = append(got, size(n))
	}
	want := "[0.0 0.0 0.1 99.9 100 9999 10k 123k - 0K 1.0M 999K 10M 9.5M 1.0G 5.0T 1048576T]"
	if fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
}
