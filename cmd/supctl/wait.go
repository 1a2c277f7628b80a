package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"supd/supervisor/api"
	"supd/supervisor/control"
)

// awaited are the states that wait knows, by name.
var awaited = map[string]struct {
	is    func(*api.WorkerStatus) bool
	never func(*api.WorkerStatus) bool // it will not be by itself
	about string
}{
	"ready":   {isReady, hasFailed, "each has become ready, or is no trouble: a one-off that has not run or has ended well"},
	"healthy": {func(w *api.WorkerStatus) bool { return isReady(w) && w.State != api.Unhealthy }, hasFailed, "likewise, and none is unhealthy"},
	"stopped": {isStopped, never, "none has a process, or is to get one"},
	"done":    {isDone, hasFailed, "each has run and ended well"},
}

func isReady(w *api.WorkerStatus) bool { return w.Ready || w.State == api.Unhealthy || w.AsWished }

func isStopped(w *api.WorkerStatus) bool {
	return w.Pid == 0 && (w.State == api.Stopped || w.State == api.Exited || w.State == api.Failed)
}

// isDone reports whether a worker has run and has nothing more to do.
func isDone(w *api.WorkerStatus) bool {
	return w.AsWished && w.LastExit != nil && isStopped(w)
}

// hasFailed reports whether a worker was given up, or has ended badly for good.
func hasFailed(w *api.WorkerStatus) bool {
	return w.State == api.Failed || w.State == api.Exited && !w.AsWished
}

func never(*api.WorkerStatus) bool { return false }

// waitRequest has the arguments and flags of wait.
type waitRequest struct {
	targets []string
	what    string
	timeout time.Duration
}

func (c *call) wait() *cobra.Command {
	r := waitRequest{}
	about := ""
	names := []string{"ready", "healthy", "stopped", "done"}
	for _, name := range names {
		about += fmt.Sprintf("\n  %-8s %s", name, awaited[name].about)
	}
	cmd := &cobra.Command{
		Use:   "wait TARGET… --for " + strings.Join(names, "|"),
		Short: "Wait until workers are as they are to be; changes nothing",
		Long: "Wait until workers are as they are to be; changes nothing. --for is one of\n" + about +
			"\n\nIt exits with 7 as soon as a worker will not be so by itself, and with 8 after --timeout.",
		Args:              someTarget,
		ValidArgsFunction: c.completeTargets,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch _, known := awaited[r.what]; {
			case !known:
				return fmt.Errorf("--for %q: want one of %s", r.what, strings.Join(names, ", "))
			case r.timeout < 0:
				return fmt.Errorf("--timeout %s: want 0 (without limit) or more", r.timeout)
			}
			r.targets = args
			return c.await(cmd.Context(), r)
		},
	}
	cmd.Flags().StringVar(&r.what, "for", "ready", "what to wait for")
	cmd.Flags().DurationVar(&r.timeout, "timeout", 0, "how long to wait, such as 30s (0 waits without limit)")
	_ = cmd.RegisterFlagCompletionFunc("for", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return names, cobra.ShellCompDirectiveNoFileComp
	})
	return cmd
}

// errDecided ends a watch whose result is known.
var errDecided = errors.New("decided")

// await watches until all of the workers are as they are to be, or one will not be.
func (c *call) await(ctx context.Context, r waitRequest) error {
	watched := ctx
	if r.timeout > 0 {
		var cancel context.CancelFunc
		watched, cancel = context.WithTimeoutCause(ctx, r.timeout, errLate)
		defer cancel()
	}
	client := c.client()
	defer client.Close()
	var last *api.Result
	err := client.Watch(watched, r.targets, func(s *api.Status) error {
		var decided bool
		if last, decided = r.judge(s); decided {
			return errDecided
		}
		return nil
	})
	switch {
	case errors.Is(err, errDecided):
	case ctx.Err() == nil && watched.Err() != nil && last != nil:
	case ctx.Err() == nil && watched.Err() != nil:
		return &control.Error{Code: api.CodeTimeout, Message: "supd on " + c.socket + " has not answered in time"}
	default:
		return err
	}
	c.worst(last.Code)
	if c.json {
		return c.print(last)
	}
	c.outcomes(last)
	return nil
}

// judge says what the workers are, and whether that is the end.
func (r waitRequest) judge(s *api.Status) (result *api.Result, decided bool) {
	result = &api.Result{Outcomes: []api.Outcome{}}
	want := awaited[r.what]
	for w := range s.Workers() {
		outcome := api.Outcome{Name: w.Name, Message: r.what}
		switch {
		case want.is(w):
		case want.never(w):
			outcome.Code, outcome.Message = api.CodeNotStarted, fmt.Sprintf("not %s: %s", r.what, stateOf(w))
		default:
			outcome.Code, outcome.Message = api.CodeTimeout, "still "+stateOf(w)
		}
		result.Add(outcome)
	}
	for _, a := range s.Apps {
		if len(a.Processes) == 0 && r.what != "stopped" {
			result.Add(r.bare(a))
		}
	}
	if len(s.Apps) == 0 && r.what != "stopped" {
		result.Add(api.Outcome{Name: strings.Join(r.targets, " "), Code: api.CodeNoTarget, Message: "is not there any more"})
	}
	// A failure is known whatever the others do; it must not be hidden by what they still do.
	failed := slices.DeleteFunc(slices.Clone(result.Outcomes), func(o api.Outcome) bool { return o.Code == api.CodeTimeout })
	if !slices.ContainsFunc(failed, func(o api.Outcome) bool { return o.Code != api.CodeDone }) {
		return result, result.Code == api.CodeDone
	}
	result = &api.Result{}
	for _, o := range failed {
		result.Add(o)
	}
	return result, true
}

// bare is what is to be said of an app that has no process.
func (r waitRequest) bare(a api.AppStatus) api.Outcome {
	if a.State == api.Invalid {
		return api.Outcome{Name: a.Name, Code: api.CodeInvalid, Message: "not " + r.what + ": " + a.Note}
	}
	return api.Outcome{Name: a.Name, Code: api.CodeTimeout, Message: "still without a process: " + cmp.Or(a.Note, "its release is being deployed")}
}

// stateOf gives a worker's state, and how the last one has ended.
func stateOf(w *api.WorkerStatus) string {
	if w.LastExit == nil || w.Pid != 0 {
		return string(w.State)
	}
	return fmt.Sprintf("%s, %s", w.State, w.LastExit.Reason)
}
