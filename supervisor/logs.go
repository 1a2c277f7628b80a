package supervisor

import (
	"slices"

	"supd/supervisor/api"
	"supd/supervisor/output"
)

// ofLogs does something with the logs of the processes that are named; without a name
// with all. A log is that of all workers of its process.
func (s *Supervisor) ofLogs(r api.Request, do func(name, path string) api.Outcome) *api.Result {
	s.log.Info("request", "action", r.Action, "targets", r.Targets, "by", r.By)
	result, done := &api.Result{}, map[string]bool{}
	for _, a := range s.Status().Apps {
		for _, p := range a.Processes {
			name := a.Name + "/" + p.Name
			whole, part := namesLog(r.Targets, a.Name, p)
			switch {
			case !whole && part:
				result.Add(api.Outcome{Name: name, Code: api.CodeFailed, Message: "its log is that of all its workers; name the process to " + string(r.Action) + " it"})
			case whole && !done[p.Log]:
				done[p.Log] = true
				result.Add(do(name, p.Log))
			}
		}
	}
	return result
}

// namesLog reports whether targets name all of a process, or a part of it.
func namesLog(targets []string, app string, p api.ProcessStatus) (whole, part bool) {
	whole = len(targets) == 0
	for _, text := range targets {
		t, err := api.ParseTarget(text)
		if err != nil {
			continue // control has refused it
		}
		whole = whole || t.MatchesProcess(app, p.Name)
		part = part || slices.ContainsFunc(p.Workers, func(w api.WorkerStatus) bool { return t.Matches(app, p.Name, w.Slot) })
	}
	return whole, part
}

func (s *Supervisor) clearOne(name, path string) api.Outcome {
	if err := s.files.Clear(path); err != nil {
		return api.Outcome{Name: name, Code: api.CodeFailed, Message: "not cleared: " + err.Error()}
	}
	return api.Outcome{Name: name, Message: "cleared"}
}

// rotateOne has nothing to do where there is no file: of all logs that is no failure.
func (s *Supervisor) rotateOne(name, path string) api.Outcome {
	if fate := output.FateOf(path); fate != "" {
		return api.Outcome{Name: name, Message: "nothing to rotate: its output " + fate}
	}
	rotated, err := s.files.Rotate(path)
	switch {
	case err != nil:
		return api.Outcome{Name: name, Code: api.CodeFailed, Message: "not rotated: " + err.Error()}
	case !rotated:
		return api.Outcome{Name: name, Message: "nothing to rotate: its log is empty"}
	}
	return api.Outcome{Name: name, Message: "rotated"}
}
