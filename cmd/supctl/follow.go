package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"supd/supervisor/api"
	"supd/supervisor/control"
	"supd/supervisor/release"
)

// comeBack is how long a supd that has ended during a rollout may take to come
// back: a killed supd is started again, and goes on with the rollout.
var comeBack = 30 * time.Second

// knockTime is the pause between two attempts to reach it meanwhile.
const knockTime = 200 * time.Millisecond

// The reasons why following a rollout ends before the rollout does.
var (
	errLate   = errors.New("still in progress")
	errPaused = errors.New("paused")
)

// followed is a rollout that is shown until it ends.
type followed struct {
	client  *control.Client
	app     string
	asked   api.Action
	rollout *api.RolloutStatus

	show shown
	seen time.Time // time of the last thing that was shown
	last control.RolloutLine
	lost bool // the connection was lost at least once
}

// shown shows a rollout in one of several ways.
type shown interface {
	add(control.RolloutLine)
	note(string) // about the connection
	close()
}

// follow shows a rollout to its end, whose exit code becomes supctl's.
func (c *call) follow(ctx context.Context, f followed) error {
	f.show = c.shown(ctx, &f)
	err := f.toEnd(ctx)
	f.show.close()
	switch {
	case err == nil:
		c.conclude(f)
		return nil
	case errors.Is(err, errPaused):
		c.complain(api.CodeFailed, "%s: %s", f.app, paused(f.app, f.last.Reason))
		c.quote(f.last.Output)
		return nil
	case errors.Is(err, errLate):
		return &control.Error{Code: api.CodeTimeout, Message: fmt.Sprintf("%s: %s: %s; `supctl status %s` shows how it goes on", f.app, err, f.step(), f.app)}
	case ctx.Err() != nil:
		return &control.Error{Code: codeInterrupted, Message: fmt.Sprintf("interrupted; the rollout goes on: `supctl %s` shows it, `supctl rollback %s` undoes it", f.again(), f.app)}
	default:
		return err
	}
}

// again is the command that joins the rollout.
func (f *followed) again() string {
	return fmt.Sprintf("%s %s %s", f.rollout.Kind, f.app, f.rollout.To)
}

func paused(app, reason string) string {
	return fmt.Sprintf("paused: %s; `supctl deploy %s --resume` goes on, `supctl rollback %s` undoes it", printable(reason), app, app)
}

func (f *followed) step() release.Step {
	if f.last.Progress == nil {
		return f.rollout.Step
	}
	return f.last.Step
}

// toEnd reads until the rollout has ended. If the connection is lost, it connects
// again.
func (f *followed) toEnd(ctx context.Context) error {
	for {
		err := f.client.Rollout(ctx, f.app, f.rollout.ID, true, f.take)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil || errors.Is(err, errPaused):
			return err
		case !control.NoAnswer(err) && codeOfError(err) == api.CodeNoTarget: // this supd does not know the rollout, or has had another one since
			return f.lookUp(ctx, err)
		case !control.NoAnswer(err):
			return err
		}
		if err := f.await(ctx); err != nil {
			return err
		}
	}
}

// take shows a line unless it was shown before: a supd that goes on with the
// rollout of an earlier one sends the lines from the beginning.
func (f *followed) take(l control.RolloutLine) error {
	if l.Progress != nil {
		if !l.At.After(f.seen) && f.lost || f.changes() && !l.At.After(f.known()) {
			return nil
		}
		f.seen = l.At
	}
	f.last = l
	f.show.add(l)
	if l.Progress != nil && l.Step == release.StepPaused && l.Reason != "" && f.pauses(l) {
		return errPaused
	}
	return nil
}

// changes reports whether the request undoes or resumes a rollout that was under
// way: then only what happens after it is shown.
func (f *followed) changes() bool {
	return f.asked == api.ActionResume || f.asked == api.ActionRollback && f.rollout.Kind == release.KindDeploy
}

// known is the time of the last thing that happened before the request.
func (f *followed) known() time.Time {
	if n := len(f.rollout.Progress); n > 0 {
		return f.rollout.Progress[n-1].At
	}
	return time.Time{}
}

// pauses reports whether a line says that the rollout is paused now. Lines about
// workers, which may come during a pause, do not.
func (f *followed) pauses(l control.RolloutLine) bool {
	return l.Worker == "" && (l.At.After(f.known()) || l.At.Equal(f.known()) && f.rollout.Step == release.StepPaused)
}

// await waits until a supd answers again.
func (f *followed) await(ctx context.Context) error {
	if !f.lost {
		f.show.note("the connection to supd is lost, waiting for it to come back")
	}
	f.lost = true
	err := awaitSupd(ctx, f.client)
	if control.NoAnswer(err) {
		return &control.Error{Code: api.CodeNoTarget, Message: fmt.Sprintf("%s. The next supd finishes the rollout or undoes it", err)}
	}
	return err
}

// awaitSupd waits until a supd answers. NoAnswer is true of the error if none does.
func awaitSupd(ctx context.Context, client *control.Client) error {
	late := time.NewTimer(comeBack)
	defer late.Stop()
	for {
		_, err := client.Version(ctx)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil:
			return nil
		case !control.NoAnswer(err):
			return err
		}
		knock := time.NewTimer(knockTime)
		select {
		case <-knock.C:
		case <-late.C:
			knock.Stop()
			return control.Absent("%s; it has not come back within %s", err, comeBack)
		case <-ctx.Done():
			knock.Stop()
			return context.Cause(ctx)
		}
	}
}

// lookUp finds in the history how the rollout has ended while it was not followed.
func (f *followed) lookUp(ctx context.Context, otherwise error) error {
	list, err := f.client.Releases(ctx, f.app)
	switch {
	case err != nil:
		return otherwise
	case f.lost:
		otherwise = failed("%s: supd has come back, and knows nothing of the rollout to %s; `supctl status %s` shows what runs", f.app, f.rollout.To, f.app)
	}
	for _, h := range list.History {
		if h.ID == f.rollout.ID {
			f.last = control.RolloutLine{App: f.app, ID: h.ID, Kind: h.Kind, From: h.From, To: h.To, StartedAt: h.StartedAt,
				RolloutEnd: &control.RolloutEnd{EndedAt: h.EndedAt, Code: codeOfResult(h)}, Reason: h.Reason}
			f.show.add(f.last)
			return nil
		}
	}
	return otherwise
}

// codeOfResult is the exit code of a rollout in the history.
func codeOfResult(h release.Rollout) int {
	switch {
	case h.Result == "done":
		return api.CodeDone
	case h.Result == "rolled back":
		return api.CodeRolledBack
	case h.From == "":
		return api.CodeNotStarted
	default:
		return api.CodeFailed
	}
}

// conclude prints how the rollout has ended.
func (c *call) conclude(f followed) {
	l := f.last
	code, undone := l.Code, f.asked == api.ActionRollback && l.Kind == release.KindDeploy && l.Code == api.CodeRolledBack
	if undone { // as was asked for
		code = api.CodeDone
	}
	c.worst(code)
	if c.json {
		return
	}
	took := l.EndedAt.Sub(l.StartedAt).Round(100 * time.Millisecond)
	switch {
	case undone:
		fmt.Fprintf(c.out, "%s: rolled back to %s in %s\n", l.App, l.From, took)
	case code == api.CodeDone && l.Kind == release.KindRollback:
		fmt.Fprintf(c.out, "%s: rolled back to %s in %s\n", l.App, l.To, took)
	case code == api.CodeDone:
		fmt.Fprintf(c.out, "%s: %s deployed in %s\n", l.App, l.To, took)
	case code == api.CodeRolledBack && l.Kind == release.KindRollback:
		c.complain(code, "%s: %s serves on, the rollback to %s has failed: %s", l.App, l.From, l.To, printable(l.Reason))
	case code == api.CodeRolledBack:
		c.complain(code, "%s: rolled back to %s: %s", l.App, l.From, printable(l.Reason))
	default:
		c.complain(code, "%s: the %s of %s has failed: %s", l.App, l.Kind, l.To, printable(l.Reason))
	}
	if code != api.CodeDone {
		c.quote(l.Output)
	}
}

// quote prints the last lines of a worker.
func (c *call) quote(output []string) {
	if c.json {
		return
	}
	for _, line := range output {
		fmt.Fprintf(c.err, "    %s\n", printable(strings.TrimRight(line, "\r\n")))
	}
}
