package control

import (
	"net/http"
	"slices"

	"supd/supervisor/api"
)

// Measurer measures what workers use: a *metrics.Server.
type Measurer interface {
	Figures() (*api.Figures, error)
}

// figures writes what the targets use now.
func (s *Server) figures(w http.ResponseWriter, r *http.Request) error {
	q, err := parameters(r, "target")
	if err != nil {
		return err
	}
	if _, err := choose(s.daemon.Status(), q["target"]); err != nil {
		return err
	}
	all, err := s.options.Figures.Figures()
	if err != nil {
		return fail(api.CodeFailed, "%s", err)
	}
	_ = writeJSON(w, http.StatusOK, figuresOf(all, parse(q["target"])))
	return nil
}

// figuresOf copies what the targets name. The sockets of an app are those of each of its
// workers.
func figuresOf(all *api.Figures, targets []api.Target) *api.Figures {
	if len(targets) == 0 {
		return all
	}
	chosen := &api.Figures{At: all.At, MemoryBytes: all.MemoryBytes, Apps: []api.AppFigures{}}
	for _, a := range all.Apps {
		processes := []api.ProcessFigures{}
		for _, p := range a.Processes {
			workers := []api.WorkerFigures{}
			for _, w := range p.Workers {
				if isTarget(targets, a.Name, p.Name, w.Slot) {
					workers = append(workers, w)
				}
			}
			if p.Workers = workers; len(workers) > 0 {
				processes = append(processes, p)
			}
		}
		bare := len(a.Processes) == 0 && slices.ContainsFunc(targets, func(t api.Target) bool { return isWhole(t, a.Name) })
		if a.Processes = processes; len(processes) > 0 || bare {
			chosen.Apps = append(chosen.Apps, a)
		}
	}
	return chosen
}
