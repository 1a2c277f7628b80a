package main

import (
	"context"
	"slices"

	"supd/configs"
	"supd/supervisor/api"
)

// mostTargets is how many targets supd takes in one request.
const mostTargets = 500

// ask asks for an action for workers, and says what came of it for each.
func (o *old) ask(ctx context.Context, r api.Request, all listing) (became map[*listed]api.Outcome, err error) {
	became = map[*listed]api.Outcome{}
	byName := map[string]*listed{}
	for _, l := range all {
		if l.worker == nil {
			became[l] = api.Outcome{Code: api.CodeNotStarted, Message: l.app.Note}
			continue
		}
		byName[l.worker.Name] = l
		r.Targets = append(r.Targets, l.worker.Name)
	}
	for some := range slices.Chunk(r.Targets, mostTargets) {
		r.Targets = some
		result, err := o.client().Do(ctx, r)
		if err != nil {
			return nil, err
		}
		for _, outcome := range result.Outcomes {
			if l := byName[outcome.Name]; l != nil {
				became[l] = outcome
			}
		}
	}
	return became, nil
}

// came says what came of an action for a worker: the word for success, or an error.
func (o *old) came(l *listed, word string, outcome api.Outcome) {
	switch outcome.Code {
	case api.CodeDone:
		o.say("%s: %s", l, word)
		return
	case api.CodeNotRunning:
		o.say("%s: ERROR (not running)", l)
		o.code = oldNotRunning
		return
	case api.CodeNotStarted, api.CodeRolledBack:
		o.say("%s: ERROR (spawn error)", l)
		o.code = oldNotRunning
	default:
		o.say("%s: ERROR (failed)", l)
		o.code = oldFailed
	}
	o.because(l.String(), outcome.Message)
	for _, line := range outcome.Output {
		o.because(l.String(), line)
	}
}

// lookUp finds what an action is for.
func (o *old) lookUp(ctx context.Context, names []string) ([]asked, error) {
	all, err := o.listing(ctx)
	if err != nil {
		return nil, err
	}
	return all.asked(names), nil
}

// those are the workers that are named and of which something holds, each once.
func those(all []asked, is func(*listed) bool) (some listing) {
	for _, w := range all {
		for _, l := range w.all {
			if is(l) && !slices.Contains(some, l) {
				some = append(some, l)
			}
		}
	}
	return some
}

// act looks up what is named, and asks for an action for those of which something holds.
func (o *old) act(ctx context.Context, action api.Action, names []string, is func(*listed) bool) ([]asked, map[*listed]api.Outcome, error) {
	all, err := o.lookUp(ctx, names)
	if err != nil {
		return nil, nil, err
	}
	became, err := o.ask(ctx, api.Request{Action: action}, those(all, is))
	return all, became, err
}

func isAny(*listed) bool { return true }

// isIdle reports whether a start has something to do: a worker that waits for its next
// try is tried at once.
func isIdle(l *listed) bool { return !l.isUp() || l.state() == oldBackoff }

func (o *old) start(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return o.usage(oldUsage, "start needs the name of a process, or all")
	}
	all, became, err := o.act(ctx, api.ActionStart, names, isIdle)
	if err != nil {
		return err
	}
	o.started(all, became)
	return nil
}

// started says what came of a start, or of the second half of a restart.
func (o *old) started(all []asked, became map[*listed]api.Outcome) {
	for _, w := range all {
		if len(w.all) == 0 && w.isGroup {
			o.missing(w, oldUsage)
		} else if len(w.all) == 0 {
			o.missing(w, oldFailed)
		}
		for _, l := range w.all {
			if outcome, was := became[l]; was {
				o.came(l, "started", outcome)
			} else if !w.isGroup {
				o.say("%s: ERROR (already started)", l)
			}
		}
	}
}

// stop wants also of those none that have none: they are to stay so.
func (o *old) stop(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return o.usage(oldFailed, "stop needs the name of a process, or all")
	}
	all, became, err := o.act(ctx, api.ActionStop, names, isAny)
	if err != nil {
		return err
	}
	o.stopped(all, became)
	return nil
}

// stopped says what came of a stop, or of the first half of a restart.
func (o *old) stopped(all []asked, became map[*listed]api.Outcome) {
	for _, w := range all {
		if len(w.all) == 0 {
			o.missing(w, oldFailed)
		}
		for _, l := range w.all {
			switch outcome := became[l]; {
			case l.isUp():
				o.came(l, "stopped", outcome)
			case !w.isGroup:
				o.say("%s: ERROR (not running)", l)
			}
		}
	}
}

// restart is supd's: nothing is dropped where the process can run twice for a moment.
// Its answer has two halves all the same.
func (o *old) restart(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return o.usage(oldFailed, "restart needs the name of a process, or all; update applies changed files")
	}
	all, became, err := o.act(ctx, api.ActionRestart, names, isAny)
	if err != nil {
		return err
	}
	o.stopped(all, nil)
	o.started(all, became)
	return nil
}

func (o *old) signal(ctx context.Context, args []string) error {
	if len(args) < 2 {
		return o.usage(oldFailed, "signal needs a signal and the name of a process, or all")
	}
	all, err := o.lookUp(ctx, args[1:])
	if err != nil {
		return err
	}
	_, wrong := configs.ParseSignal(args[0])
	var became map[*listed]api.Outcome
	if wrong == nil {
		became, err = o.ask(ctx, api.Request{Action: api.ActionSignal, Signal: args[0]}, those(all, func(l *listed) bool { return l.isUp() }))
	}
	if err != nil {
		return err
	}
	for _, w := range all {
		if len(w.all) == 0 {
			o.missing(w, oldFailed)
		}
		for _, l := range w.all {
			switch outcome, was := became[l]; {
			case wrong != nil:
				o.say("%s: ERROR (bad signal name)", l)
				o.code = oldFailed
			case was:
				o.came(l, "signalled", outcome)
			case !w.isGroup:
				o.came(l, "", api.Outcome{Code: api.CodeNotRunning})
			}
		}
	}
	return nil
}
