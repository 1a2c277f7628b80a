package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"supd/supervisor"
	"supd/supervisor/api"
)

// reportPause is the least time between two looks at what runs.
const reportPause = time.Second

// report sends a line about what runs, whenever that has changed, until ctx ends.
func (s systemd) report(ctx context.Context, supd *supervisor.Supervisor) {
	told := ""
	for {
		status := supd.Status()
		if line := summary(status); line != told {
			s.tell(nil, "STATUS="+line)
			told = line
		}
		pause := time.NewTimer(reportPause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return
		}
		select {
		case <-status.Next():
		case <-ctx.Done():
			return
		}
	}
}

// counted has the states of workers in the order of the line, and the words for
// them.
var counted = []struct {
	state api.State
	words string
	named bool // the workers are named
}{
	{api.Running, "running", false},
	{api.Starting, "starting", false},
	{api.Stopping, "stopping", false},
	{api.Unhealthy, "unhealthy", true},
	{api.Backoff, "in backoff", true},
	{api.Failed, "failed", true},
	{api.Exited, "exited", false},
	{api.Stopped, "stopped", false},
}

// summary is for `systemctl status`: "3 apps; 12 workers running, 1 in backoff
// (whois/web.2); whois: deploy 1.4.0 → 1.5.0, replace".
func summary(s *api.Status) string {
	parts := []string{number(len(s.Apps), "app")}
	workers := map[api.State][]string{}
	var rollouts, behind []string
	for _, a := range s.Apps {
		for _, p := range a.Processes {
			for _, w := range p.Workers {
				workers[w.State] = append(workers[w.State], w.Name)
				if w.Behind != nil {
					behind = append(behind, w.Name)
				}
			}
		}
		if r := a.Rollout; r != nil && !r.Ended() {
			rollouts = append(rollouts, fmt.Sprintf("%s: %s %s → %s, %s", a.Name, r.Kind, orNone(r.From), r.To, r.Step))
		}
	}
	var counts []string
	for _, c := range counted {
		names := workers[c.state]
		if len(names) == 0 {
			continue
		}
		text := fmt.Sprintf("%d %s", len(names), c.words)
		if len(counts) == 0 {
			text = number(len(names), "worker") + " " + c.words
		}
		if c.named {
			text += " (" + some(names) + ")"
		}
		counts = append(counts, text)
	}
	if len(counts) > 0 {
		parts = append(parts, strings.Join(counts, ", "))
	}
	parts = append(parts, rollouts...)
	if len(behind) > 0 {
		parts = append(parts, fmt.Sprintf("%s of an older configuration (%s)", number(len(behind), "worker"), some(behind)))
	}
	if r := s.Refused; r != nil {
		first, _, more := strings.Cut(strings.TrimSpace(r.Why), "\n")
		if more {
			first += "; …"
		}
		parts = append(parts, fmt.Sprintf("not applied since %s, as %s asked: %s", r.At.Format(time.DateTime), r.By, first))
	}
	return strings.Join(parts, "; ")
}

func number(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func orNone(version string) string {
	if version == "" {
		return "none"
	}
	return version
}

// some lists a few names and leaves out the rest.
func some(names []string) string {
	const few = 3
	if len(names) > few {
		return strings.Join(names[:few], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}
