package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"supd/supervisor/api"
	"supd/supervisor/control"
	"supd/supervisor/release"
)

// boardOf makes the board of a rollout, with the workers in these states.
func boardOf(r *api.RolloutStatus, workers ...api.WorkerStatus) board {
	b := newBoard("whois", r)
	line := control.RolloutLine{App: "whois", Kind: r.Kind, From: r.From, To: r.To, StartedAt: r.StartedAt}
	for i := range r.Progress {
		l := line
		l.Progress = &r.Progress[i]
		b.add(l)
	}
	b.status(&api.Status{Apps: []api.AppStatus{{Name: "whois", Processes: []api.ProcessStatus{{Workers: workers}}}}})
	if r.Ended() {
		line.RolloutEnd = &control.RolloutEnd{EndedAt: r.EndedAt, Code: r.Code}
		b.add(line)
	}
	return b
}

// half is a rollout with the first of three workers replaced, and the second under
// way.
func half() board {
	return boardOf(rollout(things[:4]...),
		api.WorkerStatus{Name: "whois/web.1", State: api.Running, Pid: 4720, Release: "1.5.0"},
		api.WorkerStatus{Name: "whois/web.2", State: api.Unhealthy, Pid: 4712, Release: "1.4.0"},
		api.WorkerStatus{Name: "whois/worker.1", State: api.Backoff, Release: "1.4.0"})
}

func TestBoard(t *testing.T) {
	now := noon.Add(12 * time.Second)
	tests := []struct {
		name          string
		board         board
		width, height int
		colored       bool
		want          string
	}{
		{"wide", half(), 100, 24, false, `
whois: 1.4.0 → 1.5.0, replacing, 0:00:12
  whois/web.1     1.5.0, pid 4720  RUNNING    ready after 1.2s  0:00:11
  whois/web.2     1.4.0, pid 4712  UNHEALTHY  started 1.5.0     0:00:09
  whois/worker.1  1.4.0            BACKOFF
  deploy of 1.5.0, 1.4.0 is active
`},
		{"coloured", half(), 100, 24, true, `
whois: 1.4.0 → 1.5.0, replacing, 0:00:12
  whois/web.1     1.5.0, pid 4720  GREENRUNNINGPLAIN    ready after 1.2s  0:00:11
  whois/web.2     1.4.0, pid 4712  REDUNHEALTHYPLAIN  started 1.5.0     0:00:09
  whois/worker.1  1.4.0            REDBACKOFFPLAIN
  deploy of 1.5.0, 1.4.0 is active
`},
		{"narrow", half(), 43, 24, true, `
whois: 1.4.0 → 1.5.0, replacing, 0:00:12
  whois/web.1     1.5.0, pid 4720  GREENRUNNINGPLAIN…
  whois/web.2     1.4.0, pid 4712  UNHEALT…
  whois/worker.1  1.4.0            REDBACKOFFPLAIN
  deploy of 1.5.0, 1.4.0 is active
`},
		{"tiny", half(), 1, 5, false, "\n…\n…\n…\n…\n"},
		{"no width", half(), 0, 0, false, "\n…\n…\n…\n…\n"},
		{"low", half(), 100, 6, false, `
whois: 1.4.0 → 1.5.0, replacing, 0:00:12
  whois/web.1  1.5.0, pid 4720  RUNNING    ready after 1.2s  0:00:11
  whois/web.2  1.4.0, pid 4712  UNHEALTHY  started 1.5.0     0:00:09
  and 1 more
  deploy of 1.5.0, 1.4.0 is active
`},
		{"ended", boardOf(over(rollout(things[1:2]...), 0, ""),
			api.WorkerStatus{Name: "whois/web.1", State: api.Running, Pid: 4720}), 80, 24, false, `
whois: 1.4.0 → 1.5.0, done, 0:00:12
  whois/web.1  pid 4720  RUNNING  started 1.5.0  0:00:12
`},
		{"candidate", boardOf(rollout("smoke whois/web.0 7 candidate, on private sockets")), 80, 24, false, `
whois: 1.4.0 → 1.5.0, smoke test, 0:00:12
  whois/web.0      candidate, on private sockets  0:00:12
`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := "\n"
			for _, line := range test.board.lines(now, test.width, test.height, test.colored) {
				got += line + "\n"
			}
			got = strings.NewReplacer("\x1b[32m", "GREEN", "\x1b[31m", "RED", plain, "PLAIN").Replace(got)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// The time of a worker's replacement stops when it is replaced.
func TestBoardKnowsWhatIsDone(t *testing.T) {
	b := half()
	w := api.WorkerStatus{Name: "whois/web.1", State: api.Running, Release: "1.5.0", Ready: true}
	b.status(&api.Status{Apps: []api.AppStatus{{Processes: []api.ProcessStatus{{Workers: []api.WorkerStatus{w}}}}}})
	first, second := b.row("whois/web.1"), b.row("whois/web.2")
	if first.busy() || !second.busy() || first.settled.IsZero() {
		t.Errorf("%+v, %+v", first, second)
	}
	if b.rows[0] != first || len(b.rows) != 3 {
		t.Errorf("rows %+v", b.rows)
	}
}

// A drawing takes the place of the one before.
func TestTerminalDrawsInPlace(t *testing.T) {
	var out bytes.Buffer
	term := &terminal{out: &out, size: func() (int, int) { return 80, 24 }, board: newBoard("whois", rollout()), end: func() {}}
	term.note("lost")
	out.Reset()
	line := control.RolloutLine{To: "1.5.0", Progress: &api.Progress{Step: release.StepBake, Message: "evil \x1b[2J\n\x9bK"}}
	term.add(line)
	text, found := strings.CutPrefix(out.String(), "\x1b[2A\r\x1b[J")
	if !found || strings.Contains(text, "\x1b") || strings.Contains(text, "\x9bK") || strings.Count(text, "\n") != 2 || strings.Contains(text, "lost") {
		t.Errorf("drawn %q", out.String())
	}
}

// The board shows what supd says, until it is closed.
func TestTerminalFollows(t *testing.T) {
	d := newRolling(t, rollout(things...))
	serve(t, d)
	out := newScreen()
	c := &call{out: out, err: out}
	f := followed{client: control.Dial(socketOf(t)), app: "whois", rollout: rollout()}
	term := newTerminal(context.Background(), c, &f)
	out.await(t, "whois/web.1", "whois/web.2", "pid 4712", "RUNNING")
	term.close()
	drawn := out.String()
	d.becomes(t, over(rollout(), 0, ""))
	if out.String() != drawn {
		t.Error("something is drawn after the end")
	}
}
