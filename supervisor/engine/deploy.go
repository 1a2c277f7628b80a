package engine

import (
	"fmt"
	"time"

	"supd/configs"
	"supd/supervisor/api"
	"supd/supervisor/release"
)

// Busy says why another rollout has to wait.
func Busy(app string, r *api.RolloutStatus) string {
	if r.Step == release.StepPaused {
		return fmt.Sprintf("%s: the rollout to %s is paused (%s); `supctl deploy %s --resume` goes on, `supctl rollback %s` undoes it", app, r.To, r.Reason, app, app)
	}
	if r.From == "" {
		return fmt.Sprintf("%s: the first rollout, to %s, is under way (%s); wait for it", app, r.To, r.Step)
	}
	return fmt.Sprintf("%s: a rollout to %s is under way (%s); wait for it, or `supctl rollback %s` undoes it", app, r.To, r.Step, app)
}

// alreadyActive is the answer where nothing is to be done; why is what would be in
// the way of another start.
func (a *app) alreadyActive(version string, why error) *api.Result {
	mark, isMarked := a.state.Failed[version]
	switch {
	case why != nil:
		return api.Refuse(api.CodeFailed, "%s: %s is active, and goes on, but could not be started again: %s", a.name, version, why)
	case isMarked:
		return api.Refuse(api.CodeNotStarted, "%s: %s is active, and not all of it is well: %s", a.name, version, mark.Reason)
	}
	return &api.Result{Outcomes: []api.Outcome{{Name: a.name, Code: api.CodeDone, Message: version + " is active already"}}}
}

// Deploy is the event of a deploy or rollback that is prepared. c is the
// configuration that target was prepared for, and why what is wrong with that.
func (o *Owner) Deploy(r api.Request, c *configs.Config, to release.Release, target App, why error, reply chan<- *api.Result) {
	a := o.findApp(r.Targets[0])
	kind := release.KindDeploy
	if r.Action == api.ActionRollback {
		kind = release.KindRollback
	}
	switch {
	case a == nil || o.config != c:
		reply <- api.Refuse(api.CodeFailed, "the configuration has changed meanwhile; ask again")
	case o.quitting:
		reply <- api.Refuse(api.CodeFailed, "supd is stopping")
	case kind == release.KindDeploy && a.state.Held != nil && a.rollout == nil:
		reply <- api.Refuse(api.CodeFailed, "%s is held %s; `supctl unhold %s` allows deploys again", a.name, heldBy(a.state.Held), a.name)
	case a.rollout != nil:
		o.during(a.rollout, r, kind, to, reply)
	case a.state.Active == to.Version && a.runsFrom(to.Files()) && a.trouble == nil:
		reply <- a.alreadyActive(to.Version, why)
	default:
		status := api.RolloutStatus{Rollout: release.Rollout{Kind: kind, From: a.state.Active, To: to.Version, By: r.By}}
		o.awaitRollout(o.begin(a, status, target, why), r, reply)
	}
}

// runsFrom reports whether the active release is the one in these files: the same
// version may have been registered anew.
func (a *app) runsFrom(files string) bool {
	return a.state.Place == nil || a.state.Place.Files == files
}

func heldBy(h *release.Hold) string {
	text := "since " + h.At.Format(time.DateTime) + " by " + h.By
	if h.Reason != "" {
		text += " (" + h.Reason + ")"
	}
	return text
}

// Undo is the event of a rollback while a rollout is under way.
func (o *Owner) Undo(r api.Request, reply chan<- *api.Result) {
	a := o.findApp(r.Targets[0])
	if a == nil || a.rollout == nil {
		reply <- api.Refuse(api.CodeFailed, "the rollout has ended meanwhile; ask again")
		return
	}
	o.during(a.rollout, r, release.KindRollback, release.Release{Version: a.rollout.status.From}, reply)
}

// during answers a request while another rollout is under way: the same one is
// joined, and going back is what undoing it means.
func (o *Owner) during(r *rollout, asked api.Request, kind release.Kind, to release.Release, reply chan<- *api.Result) {
	undone := kind == release.KindRollback && (to.Version == r.status.From || asked.Version == "")
	switch {
	case kind == r.status.Kind && to.Version == r.status.To && r.status.Step != release.StepPaused:
		o.awaitRollout(r, asked, reply)
	case undone && r.status.From != "" && r.status.Step != release.StepUndo && r.pending != release.StepDone:
		o.log.Info("rollout is undone", "app", r.app.name, "by", asked.By)
		if r.status.Step != release.StepPaused {
			r.status.Reason = "undone by " + asked.By
		}
		o.stopCandidate(r)
		o.enter(r, release.StepUndo)
		o.awaitRollout(r, asked, reply)
	case undone && r.status.Step == release.StepUndo:
		o.awaitRollout(r, asked, reply)
	default:
		reply <- api.Refuse(api.CodeFailed, "%s", Busy(r.app.name, &r.status))
	}
}

// awaitRollout answers when the rollout has ended, or at once if nobody waits.
func (o *Owner) awaitRollout(r *rollout, asked api.Request, reply chan<- *api.Result) {
	if asked.Detach {
		status := r.status
		reply <- &api.Result{Rollout: &status}
		return
	}
	o.waiters = append(o.waiters, &waiter{request: asked, rollout: r, reply: reply, deadline: deadlineOf(asked)})
}

// Resume is the event of a request that a paused rollout go on.
func (o *Owner) Resume(asked api.Request, reply chan<- *api.Result) {
	a := o.findApp(asked.Targets[0])
	if a == nil || a.rollout == nil || a.rollout.status.Step != release.StepPaused || a.rollout.pending != "" {
		reply <- api.Refuse(api.CodeFailed, "%s: no rollout is paused", asked.Targets[0])
		return
	}
	r := a.rollout
	o.log.Info("rollout goes on", "app", a.name, "by", asked.By)
	r.status.Reason, r.status.Output, r.blamed = "", nil, nil
	r.accepted = true
	r.say(nil, 0, "goes on")
	o.enter(r, release.StepReplace)
	o.awaitRollout(r, asked, reply)
}

// Hold is the event of a request to refuse deploys, or not to any more.
func (o *Owner) Hold(asked api.Request, reply chan<- *api.Result) {
	a := o.findApp(asked.Targets[0])
	if a == nil {
		reply <- api.Refuse(api.CodeNoTarget, "no app %q", asked.Targets[0])
		return
	}
	state := a.state.Clone()
	message := "held"
	if asked.Action == api.ActionHold {
		state.Held = &release.Hold{By: asked.By, At: time.Now().Truncate(time.Second), Reason: asked.Reason}
	} else {
		state.Held, message = nil, "not held any more"
	}
	o.journaled(a, state, func(err error) Event {
		return func(o *Owner) {
			if err != nil {
				reply <- api.Refuse(api.CodeFailed, "%s: cannot be journaled: %s", a.name, err)
				return
			}
			a.state.Held, a.isUnshown = state.Held, true
			if state.Held == nil { // what was registered to be deployed meanwhile
				o.host.Changed(Change{App: a.name, State: a.state})
			}
			reply <- &api.Result{Outcomes: []api.Outcome{{Name: a.name, Code: api.CodeDone, Message: message}}}
		}
	})
}
