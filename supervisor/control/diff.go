package control

import (
	"fmt"
	"net/http"
	"slices"

	"supd/configs"
	"supd/supervisor"
	"supd/supervisor/api"
)

// diff writes what an apply would change. It shows what is in files that others may not
// read, and has them read anew: it is for those who may apply.
func (s *Server) diff(w http.ResponseWriter, r *http.Request) error {
	q, err := parameters(r, "app")
	if err != nil {
		return err
	}
	if problem := appsProblem(q["app"]); problem != "" {
		return fail(api.CodeUsage, "diff: %s", problem)
	}
	apps := q["app"]
	if len(apps) == 0 {
		apps = []string{""} // all
	}
	if err := s.permit(r, "diff", s.daemon.Rights().MayOperate, "operators", apps...); err != nil {
		return err
	}
	done, err := s.turns.take(r)
	if err != nil {
		return err
	}
	changes, err := s.daemon.Diff(q["app"])
	done()
	if err != nil {
		return fail(supervisor.Code(err), "%s", err)
	}
	_ = writeJSON(w, http.StatusOK, changes)
	return nil
}

// unapplied are the files that are not as they were applied, of the apps that are shown,
// or that targets name although they are not there.
func (s *Server) unapplied(targets []api.Target, shown *api.Status) []configs.File {
	all := s.daemon.Unapplied()
	if len(targets) == 0 {
		return all
	}
	return slices.DeleteFunc(all, func(f configs.File) bool {
		there := slices.ContainsFunc(shown.Apps, func(a api.AppStatus) bool { return a.Name == f.App })
		return !there && !slices.ContainsFunc(targets, func(t api.Target) bool { return f.App != "" && isWhole(t, f.App) })
	})
}

// hint adds to the refusal of an app that is not there that its file is, and what to do.
func (s *Server) hint(err error) error {
	e, is := err.(*Error)
	if !is || e.unknown == "" {
		return err
	}
	for _, f := range s.daemon.Unapplied() {
		if f.App == e.app && f.State == configs.FileNew {
			e.Message = fmt.Sprintf("%s; %s is there and was never applied: `supctl diff %s` says what it would do, `supctl apply %s` does it", e.unknown, f.Path, f.App, f.App)
		}
	}
	return e
}
