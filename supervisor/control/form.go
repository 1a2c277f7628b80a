package control

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"supd/configs"
	"supd/supervisor"
)

// arity is how many targets an action takes, and of what kind.
type arity int

const (
	noTarget    arity = iota
	someTargets       // one or more, of any kind
	oneApp            // the name of an app
	upToOneApp
)

// form says which fields a request for an action may have besides its timeout.
type form struct {
	targets arity
	may     []string // optional fields that this action takes
	must    string   // the one of them that it needs
}

var forms = map[supervisor.Action]form{
	supervisor.ActionStart:      {targets: someTargets},
	supervisor.ActionStop:       {targets: someTargets},
	supervisor.ActionRestart:    {targets: someTargets, may: []string{"hard"}},
	supervisor.ActionSignal:     {targets: someTargets, may: []string{"signal"}, must: "signal"},
	supervisor.ActionReopen:     {},
	supervisor.ActionShutdown:   {},
	supervisor.ActionReexec:     {},
	supervisor.ActionDeploy:     {targets: oneApp, may: []string{"version", "detach"}},
	supervisor.ActionRollback:   {targets: oneApp, may: []string{"version", "detach"}},
	supervisor.ActionResume:     {targets: oneApp, may: []string{"detach"}},
	supervisor.ActionHold:       {targets: oneApp, may: []string{"reason"}},
	supervisor.ActionUnhold:     {targets: oneApp},
	supervisor.ActionUnregister: {targets: oneApp, may: []string{"version", "force"}, must: "version"},
	supervisor.ActionRefresh:    {targets: upToOneApp},
}

// longestReason bounds the reason of a hold, in bytes: it is journaled.
const longestReason = 500

// check refuses a request that does not make sense.
func check(r supervisor.Request) error {
	f, known := forms[r.Action]
	if !known {
		return fail(supervisor.CodeUsage, "unknown action %q", r.Action)
	}
	for _, wrong := range []string{f.targets.problem(r.Targets), f.fieldProblem(r), valueProblem(r)} {
		if wrong != "" {
			return fail(supervisor.CodeUsage, "%s: %s", r.Action, wrong)
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
	}
	return ""
}

// fieldProblem finds a field that is set but does nothing, or one that is missing.
func (f form) fieldProblem(r supervisor.Request) string {
	set := []struct {
		field string
		is    bool
	}{
		{"hard", r.Hard}, {"signal", r.Signal != ""}, {"version", r.Version != ""},
		{"detach", r.Detach}, {"force", r.Force}, {"reason", r.Reason != ""},
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

func valueProblem(r supervisor.Request) string {
	switch {
	case r.Timeout < 0:
		return fmt.Sprintf("timeout %s: want 0 or more", r.Timeout)
	case len(r.Reason) > longestReason || strings.ContainsFunc(r.Reason, unicode.IsControl):
		return fmt.Sprintf("reason: want one line of at most %d bytes", longestReason)
	case r.Version != "":
		return configs.VersionProblem(r.Version)
	}
	return ""
}

// find fails unless every target of r exists.
func find(s *supervisor.Status, r supervisor.Request) error {
	var err error
	switch forms[r.Action].targets {
	case someTargets:
		_, err = choose(s, r.Targets)
	case oneApp, upToOneApp:
		for _, name := range r.Targets {
			_, err = chooseApp(s, name)
		}
	}
	return err
}
