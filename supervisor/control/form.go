package control

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"supd/configs"
	"supd/supervisor/api"
)

// arity is how many targets an action takes, and of what kind.
type arity int

const (
	noTarget    arity = iota
	someTargets       // one or more, of any kind
	anyTargets        // likewise, or none for all
	oneApp            // the name of an app
	upToOneApp
	newApps // names of apps, which need not be known yet; or none
)

// form says which fields a request for an action may have besides its timeout.
type form struct {
	targets arity
	may     []string // optional fields that this action takes
	must    string   // the one of them that it needs
}

var forms = map[api.Action]form{
	api.ActionStart:      {targets: someTargets, may: []string{"persist"}},
	api.ActionStop:       {targets: someTargets, may: []string{"persist"}},
	api.ActionRestart:    {targets: someTargets, may: []string{"hard"}},
	api.ActionReload:     {targets: someTargets},
	api.ActionSignal:     {targets: someTargets, may: []string{"signal"}, must: "signal"},
	api.ActionScale:      {targets: someTargets, may: []string{"count"}, must: "count"},
	api.ActionReopen:     {},
	api.ActionClear:      {targets: someTargets},
	api.ActionRotate:     {targets: anyTargets},
	api.ActionShutdown:   {},
	api.ActionReexec:     {},
	api.ActionApply:      {targets: newApps, may: []string{"detach"}},
	api.ActionDeploy:     {targets: oneApp, may: []string{"version", "detach"}},
	api.ActionRollback:   {targets: oneApp, may: []string{"version", "detach"}},
	api.ActionResume:     {targets: oneApp, may: []string{"detach"}},
	api.ActionHold:       {targets: oneApp, may: []string{"reason"}},
	api.ActionUnhold:     {targets: oneApp},
	api.ActionUnregister: {targets: oneApp, may: []string{"version", "force"}, must: "version"},
	api.ActionRefresh:    {targets: upToOneApp},
}

// longestReason bounds the reason of a hold, in bytes: it is journaled.
const longestReason = 500

// check refuses a request that does not make sense.
func check(r api.Request) error {
	f, known := forms[r.Action]
	if !known {
		return fail(api.CodeUsage, "unknown action %q", r.Action)
	}
	for _, wrong := range []string{f.targets.problem(r.Targets), f.fieldProblem(r), valueProblem(r)} {
		if wrong != "" {
			return fail(api.CodeUsage, "%s: %s", r.Action, wrong)
		}
	}
	return nil
}

// problem says why the action does not take these targets, or "".
func (a arity) problem(targets []string) string {
	switch {
	case a == noTarget && len(targets) > 0:
		return "takes no target"
	case a == someTargets && len(targets) == 0:
		return "no target; `all` names every worker"
	case a == oneApp && len(targets) != 1:
		return "wants one target, the name of an app"
	case a == upToOneApp && len(targets) > 1:
		return "wants one target at most, the name of an app"
	case a == newApps:
		return appsProblem(targets)
	}
	return ""
}

// appsProblem says what is wrong with names of apps, or "".
func appsProblem(names []string) string {
	if len(names) > maxTargets {
		return fmt.Sprintf("%d apps: want %d at most, or none for all", len(names), maxTargets)
	}
	for _, name := range names {
		if problem := configs.AppNameProblem(name); problem != "" {
			return problem + "; want names of apps, or none for all"
		}
	}
	return ""
}

// fieldProblem finds a field that is set but does nothing, or one that is missing.
func (f form) fieldProblem(r api.Request) string {
	set := []struct {
		field string
		is    bool
	}{
		{"hard", r.Hard}, {"signal", r.Signal != ""}, {"version", r.Version != ""},
		{"detach", r.Detach}, {"count", r.Count != 0}, {"force", r.Force}, {"reason", r.Reason != ""}, {"persist", r.Persist},
	}
	for _, s := range set {
		switch {
		case s.is && !slices.Contains(f.may, s.field):
			return fmt.Sprintf("%s belongs to the action %s", s.field, actionsWith(s.field))
		case !s.is && s.field == f.must:
			return s.field + " is missing"
		}
	}
	return ""
}

// actionsWith lists the actions that a field belongs to.
func actionsWith(field string) string {
	var all []string
	for action, f := range forms {
		if slices.Contains(f.may, field) {
			all = append(all, string(action))
		}
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func valueProblem(r api.Request) string {
	switch {
	case r.Count < 0 || r.Count > configs.MostWorkers:
		return fmt.Sprintf("count %d: want a number from 1 to %d", r.Count, configs.MostWorkers)
	case r.Timeout < 0:
		return fmt.Sprintf("timeout %s: want 0 or more", r.Timeout)
	case len(r.Reason) > longestReason || strings.ContainsFunc(r.Reason, unicode.IsControl):
		return fmt.Sprintf("reason: want one line of at most %d bytes", longestReason)
	case r.Version != "":
		return configs.VersionProblem(r.Version)
	}
	return ""
}

// find gives the apps that r is about, "" for all, and fails unless every target exists.
func find(s *api.Status, r api.Request) (apps []string, err error) {
	if len(r.Targets) == 0 {
		return []string{""}, nil
	}
	switch forms[r.Action].targets {
	case newApps:
		return r.Targets, nil
	case someTargets, anyTargets:
		chosen, err := choose(s, r.Targets)
		if err != nil {
			return nil, err
		}
		return appsOf(chosen), nil
	}
	for _, name := range r.Targets {
		if _, err := chooseApp(s, name); err != nil {
			return nil, err
		}
	}
	return r.Targets, nil
}
