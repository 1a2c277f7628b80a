package control

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"supd/supervisor/api"
)

// maxTargets bounds the targets of one request: each is compared with all workers.
const maxTargets = 500

// choose gives the part of a status that targets name, or all of it if there are
// none. Each target has to name at least one worker, a process, which may have none, or
// all of an app without processes.
func choose(s *api.Status, targets []string) (*api.Status, error) {
	if len(targets) > maxTargets {
		return nil, fail(api.CodeUsage, "%d targets: want %d at most; patterns such as `app/*` name many at once", len(targets), maxTargets)
	}
	parsed := make([]api.Target, len(targets))
	for i, text := range targets {
		t, err := api.ParseTarget(text)
		if err != nil {
			return nil, fail(api.CodeUsage, "%s", err)
		}
		if !names(t, s) {
			app, _, _ := strings.Cut(strings.Replace(text, ":", "/", 1), "/")
			return nil, noSuch("target", text, app, allNames(s))
		}
		parsed[i] = t
	}
	return part(s, parsed), nil
}

func names(t api.Target, s *api.Status) bool {
	for _, a := range s.Apps {
		if len(a.Processes) == 0 && isWhole(t, a.Name) {
			return true
		}
		for _, p := range a.Processes {
			if t.MatchesProcess(a.Name, p.Name) {
				return true
			}
			for _, w := range p.Workers {
				if t.Matches(a.Name, p.Name, w.Slot) {
					return true
				}
			}
		}
	}
	return false
}

// isWhole reports whether t names all of an app, whatever its processes are.
func isWhole(t api.Target, app string) bool { return t.Matches(app, "", 0) }

// chooseApp finds the app that has exactly this name.
func chooseApp(s *api.Status, name string) (*api.AppStatus, error) {
	names := make([]string, len(s.Apps))
	for i := range s.Apps {
		if names[i] = s.Apps[i].Name; names[i] == name {
			return &s.Apps[i], nil
		}
	}
	return nil, noSuch("app", name, name, names)
}

// noSuch refuses a target of an app that is not there, or lacks it.
func noSuch(what, text, app string, names []string) *Error {
	e := fail(api.CodeNoTarget, "no such %s %q", what, text)
	e.unknown, e.app = e.Message, app
	e.Message += suggest(text, names)
	return e
}

// part copies what the targets name, with the uptime of this moment: the snapshot
// has that of its publication.
func part(s *api.Status, targets []api.Target) *api.Status {
	chosen := &api.Status{Apps: []api.AppStatus{}, Refused: s.Refused}
	now := time.Now()
	for _, a := range s.Apps {
		processes := []api.ProcessStatus{}
		for _, p := range a.Processes {
			named := slices.ContainsFunc(targets, func(t api.Target) bool { return t.MatchesProcess(a.Name, p.Name) })
			if p.Workers = workersOf(p, a.Name, targets, now); len(p.Workers) > 0 || named || len(targets) == 0 {
				processes = append(processes, p)
			}
		}
		bare := len(a.Processes) == 0 && slices.ContainsFunc(targets, func(t api.Target) bool { return isWhole(t, a.Name) })
		if a.Processes = processes; len(processes) > 0 || len(targets) == 0 || bare {
			chosen.Apps = append(chosen.Apps, a)
		}
	}
	return chosen
}

func workersOf(p api.ProcessStatus, app string, targets []api.Target, now time.Time) []api.WorkerStatus {
	workers := []api.WorkerStatus{}
	for _, w := range p.Workers {
		if !isTarget(targets, app, p.Name, w.Slot) {
			continue
		}
		if w.StartedAt != nil {
			w.UptimeSeconds = now.Sub(*w.StartedAt).Truncate(time.Millisecond).Seconds()
		}
		workers = append(workers, w)
	}
	return workers
}

func isTarget(targets []api.Target, app, process string, slot int) bool {
	for _, t := range targets {
		if t.Matches(app, process, slot) {
			return true
		}
	}
	return len(targets) == 0
}

// suggest ends the refusal of a target with the name that was probably meant: one
// that begins with an app and is the same after it, or else the one with most in
// common at the beginning and the end.
func suggest(text string, names []string) string {
	text = strings.Replace(text, ":", "/", 1)
	best, most := "", 0.6
	for _, name := range names {
		alike := likeness(text, name)
		if strings.HasSuffix(name, "/"+text) {
			alike = 1
		}
		if alike > most {
			best, most = name, alike
		}
	}
	if best == "" {
		return "; `supctl status` shows all"
	}
	return fmt.Sprintf(", did you mean %q?", best)
}

// allNames lists each app, process and worker.
func allNames(s *api.Status) []string {
	var all []string
	for _, a := range s.Apps {
		all = append(all, a.Name)
		for _, p := range a.Processes {
			all = append(all, a.Name+"/"+p.Name)
			for _, w := range p.Workers {
				all = append(all, w.Name)
			}
		}
	}
	return all
}

// likeness is the length of the common beginning and end of two names, as a share
// of the longer one.
func likeness(a, b string) float64 {
	short := min(len(a), len(b))
	begin, end := 0, 0
	for begin < short && a[begin] == b[begin] {
		begin++
	}
	for end < short-begin && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	return float64(begin+end) / float64(max(len(a), len(b)))
}
