package supervisor

import (
	"slices"

	"supd/supervisor/api"
)

// clear empties the logs of the processes that are named. A log is that of all workers of
// its process.
func (s *Supervisor) clear(r api.Request) *api.Result {
	s.log.Info("request", "action", r.Action, "targets", r.Targets, "by", r.By)
	result, cleared := &api.Result{}, map[string]bool{}
	for _, a := range s.Status().Apps {
		for _, p := range a.Processes {
			name := a.Name + "/" + p.Name
			whole, part := namesLog(r.Targets, a.Name, p)
			switch {
			case !whole && part:
				result.Add(api.Outcome{Name: name, Code: api.CodeFailed, Message: "its log is that of all its workers; name the process to clear it"})
			case whole && !cleared[p.Log]:
				cleared[p.Log] = true
				result.Add(s.clearOne(name, p.Log))
			}
		}
	}
	return result
}

// namesLog reports whether targets name all of a process, or a part of it.
func namesLog(targets []string, app string, p api.ProcessStatus) (whole, part bool) {
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
