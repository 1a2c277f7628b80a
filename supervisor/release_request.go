package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"supd/configs"
	"supd/supervisor/output"
	"supd/supervisor/release"
)

// facts is what a request about releases has to know of an app.
type facts struct {
	found   bool
	config  *configs.Config
	app     *configs.App // as its file says
	state   release.State
	rollout *RolloutStatus // under way
}

// facts asks the owner.
func (s *Supervisor) facts(app string) (facts, error) {
	reply := make(chan facts, 1)
	s.post(func(o *owner) { reply <- o.facts(app) })
	select {
	case f := <-reply:
		return f, nil
	case <-s.done:
		return facts{}, errStopped
	}
}

var errStopped = errors.New("supd has stopped")

func (o *owner) facts(app string) facts {
	a := o.findApp(app)
	if a == nil || a.removed || o.config == nil {
		return facts{}
	}
	f := facts{found: true, config: o.config, app: appOf(o.config, app), state: a.state.Clone()}
	f.found = f.app != nil
	if a.rollout != nil {
		status := a.rollout.status
		f.rollout = &status
	}
	return f
}

func appOf(c *configs.Config, name string) *configs.App {
	for i := range c.Apps {
		if c.Apps[i].Name == name {
			return &c.Apps[i]
		}
	}
	return nil
}

// refuse makes the answer to a request that came to nothing.
func refuse(code int, format string, args ...any) *Result {
	return &Result{Code: code, Error: fmt.Sprintf(format, args...)}
}

// ofRelease carries out a request about an app's releases. What may block is done
// here, in the goroutine of whoever asks.
func (s *Supervisor) ofRelease(ctx context.Context, r Request) *Result {
	if r.Action == ActionRefresh {
		return s.refresh(r)
	}
	name := r.Targets[0]
	f, err := s.facts(name)
	switch {
	case err != nil:
		return refuse(CodeFailed, "%s", err)
	case !f.found:
		return refuse(CodeNoTarget, "no app %q", name)
	case f.app.Release == nil:
		return refuse(CodeFailed, "%s has no [release] in %s; `supctl restart %s` replaces its workers", name, f.app.File, name)
	}
	switch r.Action {
	case ActionHold, ActionUnhold:
		return s.wait(ctx, r, func(o *owner, reply chan<- *Result) { o.hold(r, reply) })
	case ActionResume:
		return s.wait(ctx, r, func(o *owner, reply chan<- *Result) { o.resume(r, reply) })
	case ActionUnregister:
		return s.unregister(ctx, r, f)
	default:
		return s.deploy(ctx, r, f)
	}
}

// deploy begins a rollout to a release, and waits for its end unless told not to.
func (s *Supervisor) deploy(ctx context.Context, r Request, f facts) *Result {
	name := r.Targets[0]
	if u := f.rollout; r.Action == ActionRollback && u != nil && u.From != "" && (r.Version == "" || r.Version == u.From) {
		return s.wait(ctx, r, func(o *owner, reply chan<- *Result) { o.undoNow(r, reply) })
	}
	all, err := s.store.Releases(name)
	if err != nil {
		s.log.Error("registry of releases", "app", name, "error", err)
	}
	to, err := chosen(r, f.state, all)
	if err != nil {
		var wrong *choiceError
		errors.As(err, &wrong)
		return refuse(wrong.code, "%s: %s", name, wrong.why)
	}
	if f.rollout != nil && (f.rollout.To != to.Version || f.rollout.Step == StepPaused) && r.Action == ActionDeploy {
		return refuse(CodeFailed, "%s", busy(name, f.rollout))
	}
	warnings := s.changed(to)
	target, why := s.prepareRelease(f.config, name, to)
	if unfit, is := errors.AsType[*unfitError](why); is { // the release is not to blame
		return refuse(CodeFailed, "%s", unfit)
	}
	begin := func(o *owner, reply chan<- *Result) { o.deploy(r, f.config, to, target, why, reply) }
	result := s.wait(ctx, r, begin)
	result.Warnings = warnings
	return result
}

// changed says what of a release is no longer what was registered.
func (s *Supervisor) changed(r release.Release) (warnings []string) {
	changes, err := s.store.Changed(r)
	if err != nil {
		return nil // that it is missing is said when it is prepared
	}
	const most = 5
	for i, c := range changes {
		if i == most {
			warnings = append(warnings, fmt.Sprintf("%s %s: and %d more; `supctl audit %s` shows all", r.App, r.Version, len(changes)-most, r.App))
			break
		}
		warnings = append(warnings, fmt.Sprintf("%s %s has changed since it was registered: %s", r.App, r.Version, c))
	}
	return warnings
}

func (s *Supervisor) prepareRelease(c *configs.Config, app string, r release.Release) (preparedApp, error) {
	work := preparer{s.files, map[*output.Log]output.Options{}} // a release cannot set them
	if !r.Present() {
		return preparedApp{}, fmt.Errorf("the files of %s are gone from %s; install the package again", r.Version, r.Files())
	}
	return work.release(c, app, versionOfRelease(r))
}

// choiceError says why there is no release to deploy.
type choiceError struct {
	code int
	why  string
}

func (e *choiceError) Error() string { return e.why }

// chosen is the release that a request names or means. What comes with an error
// is a *choiceError.
func chosen(r Request, state release.State, all []release.Release) (release.Release, error) {
	version := r.Version
	switch {
	case version != "":
	case r.Action == ActionRollback && state.Previous == "":
		return release.Release{}, &choiceError{CodeFailed, "there is no previous release; name the one to go back to"}
	case r.Action == ActionRollback:
		version = state.Previous
	default:
		for _, candidate := range slices.Backward(all) {
			if _, failed := state.Failed[candidate.Version]; !failed || candidate.Version == state.Active {
				return candidate, nil
			}
		}
		if len(all) > 0 {
			return release.Release{}, &choiceError{CodeFailed, fmt.Sprintf("every registered release has failed; name the one to try again, such as %s", all[len(all)-1].Version)}
		}
		return release.Release{}, &choiceError{CodeFailed, "no release is registered; `supctl register` makes one known"}
	}
	var known []string
	for _, one := range all {
		if one.Version == version {
			return one, nil
		}
		known = append(known, one.Version)
	}
	if len(known) == 0 {
		known = []string{"none"}
	}
	return release.Release{}, &choiceError{CodeNoTarget, fmt.Sprintf("no release %s is registered; known: %s", version, strings.Join(known, ", "))}
}

func busy(app string, r *RolloutStatus) string {
	if r.Step == StepPaused {
		return fmt.Sprintf("%s: the rollout to %s is paused (%s); `supctl deploy %s --resume` goes on, `supctl rollback %s` undoes it", app, r.To, r.Reason, app, app)
	}
	if r.From == "" {
		return fmt.Sprintf("%s: the first rollout, to %s, is under way (%s); wait for it", app, r.To, r.Step)
	}
	return fmt.Sprintf("%s: a rollout to %s is under way (%s); wait for it, or `supctl rollback %s` undoes it", app, r.To, r.Step, app)
}

// wait posts a request to the owner and waits for its answer.
func (s *Supervisor) wait(ctx context.Context, r Request, ask func(*owner, chan<- *Result)) *Result {
	reply := make(chan *Result, 1)
	s.post(func(o *owner) { ask(o, reply) })
	return s.answer(ctx, reply)
}

// alreadyActive is the answer where nothing is to be done; why is what would be in
// the way of another start.
func alreadyActive(app, version string, why error) *Result {
	if why != nil {
		return refuse(CodeFailed, "%s: %s is active, and goes on, but could not be started again: %s", app, version, why)
	}
	return &Result{Outcomes: []Outcome{{app, CodeDone, version + " is active already"}}}
}

// deploy is the event of a deploy or rollback that is prepared.
func (o *owner) deploy(r Request, c *configs.Config, to release.Release, target preparedApp, why error, reply chan<- *Result) {
	a := o.findApp(r.Targets[0])
	kind := KindDeploy
	if r.Action == ActionRollback {
		kind = KindRollback
	}
	switch {
	case a == nil || o.config != c:
		reply <- refuse(CodeFailed, "the configuration has changed meanwhile; ask again")
	case o.quitting:
		reply <- refuse(CodeFailed, "supd is stopping")
	case kind == KindDeploy && a.state.Held != nil && a.rollout == nil:
		reply <- refuse(CodeFailed, "%s is held %s; `supctl unhold %s` allows deploys again", a.name, heldBy(a.state.Held), a.name)
	case a.rollout != nil:
		o.during(a.rollout, r, kind, to, reply)
	case a.state.Active == to.Version && a.runsFrom(to.Files()) && a.trouble == nil:
		reply <- alreadyActive(a.name, to.Version, why)
	default:
		status := RolloutStatus{Kind: kind, From: a.state.Active, To: to.Version, By: r.By}
		o.awaitRollout(o.begin(a, status, target, why), r, reply)
	}
}

// runsFrom tells whether the active release is the one in these files: the same
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

// undoNow is the event of a rollback while a rollout is under way.
func (o *owner) undoNow(r Request, reply chan<- *Result) {
	a := o.findApp(r.Targets[0])
	if a == nil || a.rollout == nil {
		reply <- refuse(CodeFailed, "the rollout has ended meanwhile; ask again")
		return
	}
	o.during(a.rollout, r, KindRollback, release.Release{Version: a.rollout.status.From}, reply)
}

// during answers a request while another rollout is under way: the same one is
// joined, and going back is what undoing it means.
func (o *owner) during(r *rollout, asked Request, kind string, to release.Release, reply chan<- *Result) {
	undone := kind == KindRollback && (to.Version == r.status.From || asked.Version == "")
	switch {
	case kind == r.status.Kind && to.Version == r.status.To && r.status.Step != StepPaused:
		o.awaitRollout(r, asked, reply)
	case undone && r.status.From != "" && r.status.Step != StepUndo && !r.ending:
		o.log.Info("rollout is undone", "app", r.app.name, "by", asked.By)
		r.failing = true
		if r.status.Step != StepPaused {
			r.status.Reason = "undone by " + asked.By
		}
		o.stopCandidate(r)
		o.enter(r, StepUndo)
		o.awaitRollout(r, asked, reply)
	case undone && r.status.Step == StepUndo:
		o.awaitRollout(r, asked, reply)
	default:
		reply <- refuse(CodeFailed, "%s", busy(r.app.name, &r.status))
	}
}

// awaitRollout answers when the rollout has ended, or at once if nobody waits.
func (o *owner) awaitRollout(r *rollout, asked Request, reply chan<- *Result) {
	if asked.Detach {
		status := r.status
		reply <- &Result{Rollout: &status}
		return
	}
	w := &waiter{request: asked, rollout: r, reply: reply}
	if asked.Timeout > 0 {
		w.deadline = time.Now().Add(asked.Timeout)
	}
	o.waiters = append(o.waiters, w)
}

// outcomeOf tells what has come of a rollout that is waited for.
func (w *waiter) outcomeOf() *Result {
	r := w.rollout
	status := r.status
	result := &Result{Code: CodeTimeout, Rollout: &status}
	message := "still in progress: " + string(status.Step)
	if status.Step == StepPaused && !status.Ended() {
		result.Code, message = CodeFailed, "paused: "+status.Reason
	}
	if status.Ended() {
		result.Code = status.Code
		message = status.To + " is active"
		if status.Code != CodeDone {
			message = status.Reason
		}
		if status.Code == CodeRolledBack && w.request.Action == ActionRollback && strings.HasPrefix(status.Reason, "undone by") {
			result.Code, message = CodeDone, status.From+" serves again"
		}
	}
	result.Outcomes = []Outcome{{r.app.name, result.Code, message}}
	return result
}

// isOver tells whether who waits for a rollout can be answered.
func (r *rollout) isOver() bool {
	return r.status.Ended() || r.status.Step == StepPaused && !r.recording
}

// resume is the event of a request that a paused rollout go on.
func (o *owner) resume(asked Request, reply chan<- *Result) {
	a := o.findApp(asked.Targets[0])
	if a == nil || a.rollout == nil || a.rollout.status.Step != StepPaused || a.rollout.recording {
		reply <- refuse(CodeFailed, "%s: no rollout is paused", asked.Targets[0])
		return
	}
	r := a.rollout
	o.log.Info("rollout goes on", "app", a.name, "by", asked.By)
	r.failing, r.status.Reason, r.status.Output, r.blamed = false, "", nil, nil
	r.say(nil, 0, "goes on")
	o.enter(r, StepReplace)
	o.awaitRollout(r, asked, reply)
}

// hold is the event of a request to refuse deploys, or not to any more.
func (o *owner) hold(asked Request, reply chan<- *Result) {
	a := o.findApp(asked.Targets[0])
	if a == nil {
		reply <- refuse(CodeNoTarget, "no app %q", asked.Targets[0])
		return
	}
	state := a.state.Clone()
	message := "held"
	if asked.Action == ActionHold {
		state.Held = &release.Hold{By: asked.By, At: time.Now(), Reason: asked.Reason}
	} else {
		state.Held, message = nil, "not held any more"
	}
	o.record(a, state, func(o *owner, err error) {
		if err != nil {
			reply <- refuse(CodeFailed, "%s: cannot be journaled: %s", a.name, err)
			return
		}
		a.state.Held = state.Held
		if state.Held == nil {
			o.kernel.afterRollout(a.name, false) // what was registered to be deployed meanwhile
		}
		reply <- &Result{Outcomes: []Outcome{{a.name, CodeDone, message}}}
	})
}

// refresh takes up the releases that were registered to be deployed: of each app
// the newest. The rollouts go on in the background; what one has to wait for is
// taken up at its end.
func (s *Supervisor) refresh(r Request) *Result {
	apps := r.Targets
	if len(apps) == 0 {
		for _, a := range s.Status().Apps {
			apps = append(apps, a.Name)
		}
	}
	result := &Result{}
	for _, app := range apps {
		one := s.takeUp(app)
		result.add(one.Outcomes[0])
		if len(r.Targets) > 0 {
			result.Rollout, result.Warnings = one.Rollout, one.Warnings
		}
	}
	return result
}

// takeUpAll registers what packages have put into the drop-in directory while no
// supd was there, and begins what was to be deployed.
func (s *Supervisor) takeUpAll() {
	s.pointToActive()
	taken, gone, err := s.store.Import(context.Background(), s.daemon.DropIns, s.isInPlace, os.Geteuid())
	for _, r := range taken {
		s.log.Info("release registered", "app", r.App, "version", r.Version, "by", r.Origin)
	}
	for _, r := range gone {
		if r.Present() {
			continue // its snapshot is what a rollback goes to
		}
		s.log.Warn("the file that registered a release is gone; `supctl unregister` forgets it", "app", r.App, "version", r.Version, "file", r.Origin)
	}
	if err != nil {
		s.log.Error("releases in the drop-in directory", "error", err)
	}
	s.refresh(Request{Action: ActionRefresh})
}

// pointToActive lets each app's symlink lead to its active release: a supd that was
// killed may not have come to that.
func (s *Supervisor) pointToActive() {
	all, err := s.have()
	if err != nil {
		return // it has stopped
	}
	for app, k := range all {
		if k.state.Place == nil {
			continue
		}
		if err := s.store.SetCurrent(app, k.state.Place.Files); err != nil {
			s.log.Error("cannot switch the symlink to the active release", "app", app, "error", err)
		}
	}
}

// isInPlace tells whether the next version of an app will be installed at the same
// path.
func (s *Supervisor) isInPlace(app, path string) bool {
	c := s.newest.Load()
	if a := appOf(c, app); a != nil && a.Release != nil {
		return a.Release.InPlace() && a.Release.Path == path
	}
	return true // a snapshot is never wrong
}

// takeUp begins the rollout that was asked for while registering.
func (s *Supervisor) takeUp(app string) *Result {
	say := func(code int, message string) *Result { return &Result{Outcomes: []Outcome{{app, code, message}}} }
	all, err := s.store.Releases(app)
	if err != nil {
		s.log.Error("registry of releases", "app", app, "error", err)
	}
	i := slices.IndexFunc(all, func(r release.Release) bool { return r.Deploy })
	if i < 0 {
		return say(CodeDone, "nothing to deploy")
	}
	for k := range all {
		if all[k].Deploy {
			i = k // the newest
		}
	}
	f, err := s.facts(app)
	if err != nil || !f.found || f.app.Release == nil {
		return say(CodeFailed, "no such app with releases")
	}
	if f.rollout != nil && f.rollout.To != all[i].Version {
		return say(CodeDone, "queued behind the rollout to "+f.rollout.To)
	}
	if f.state.Held != nil && f.rollout == nil {
		return say(CodeDone, "is held: "+all[i].Version+" is deployed after `supctl unhold "+app+"`")
	}
	by := fmt.Sprintf("%s, when it was registered", userOf(all[i].By))
	result := s.deploy(context.Background(), Request{Action: ActionDeploy, Targets: []string{app}, Version: all[i].Version, Detach: true, By: by}, f)
	for _, one := range all[:i+1] {
		if one.Deploy {
			if err := s.store.ClearDeploy(context.Background(), app, one.Version); err != nil && !errors.Is(err, fs.ErrNotExist) {
				s.log.Error("registry of releases", "app", app, "error", err)
			}
		}
	}
	if result.Error != "" {
		s.log.Error("registered release is not deployed", "app", app, "version", all[i].Version, "why", result.Error)
		return say(result.Code, result.Error)
	}
	if result.Rollout == nil { // it is active already
		return result
	}
	result.Outcomes = say(CodeDone, "deploying "+all[i].Version).Outcomes
	return result
}
