package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"supd/supervisor/api"
	"supd/supervisor/control"
)

func (c *call) deploy() *cobra.Command {
	return c.rollout(api.ActionDeploy, "Replace an app's release by another one, worker by worker",
		"VERSION is by default the newest registered one that neither has failed nor was left by\n"+
			"a rollback. While a rollout to it is under way, that one is shown.")
}

func (c *call) rollback() *cobra.Command {
	return c.rollout(api.ActionRollback, "Go back to an app's previous release, or to a named one",
		"A rollout that is under way, or paused, is undone. What a rollback has left is passed over\n"+
			"by the next one.")
}

// rolloutRequest has the arguments and flags of deploy and rollback.
type rolloutRequest struct {
	api.Request
	noWait, resume bool
	timeout        time.Duration
}

// rollout makes a command that begins a rollout and shows it to its end.
func (c *call) rollout(action api.Action, short, long string) *cobra.Command {
	r := rolloutRequest{Request: api.Request{Action: action, Detach: true}}
	cmd := &cobra.Command{
		Use:   string(action) + " APP [VERSION]",
		Short: short,
		Long:  short + ".\n\n" + long + "\nInterrupted, it goes on without being shown.",
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) < 1 || len(args) > 2:
				return fmt.Errorf("%s needs an app, and a version where it is not the usual one", cmd.Name())
			case r.resume && len(args) > 1:
				return errors.New("--resume goes on with the rollout that is paused; it takes no version")
			case r.timeout < 0:
				return fmt.Errorf("--timeout %s: want 0 (without limit) or more", r.timeout)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			r.Targets, r.Version = args[:1], strings.Join(args[1:], "")
			if r.resume {
				r.Action = api.ActionResume
			}
			return c.begin(cmd.Context(), r)
		},
		ValidArgsFunction: c.completeRelease,
	}
	cmd.Flags().BoolVar(&r.noWait, "no-wait", false, "end once it has begun")
	cmd.Flags().DurationVar(&r.timeout, "timeout", 0, "how long to wait, such as 5m; it goes on after that (0 waits without limit)")
	if action == api.ActionDeploy {
		cmd.Flags().BoolVar(&r.resume, "resume", false, "go on with a rollout that has failed and is paused")
	}
	return cmd
}

// begin asks supd for the rollout, and follows it.
func (c *call) begin(ctx context.Context, r rolloutRequest) error {
	client := c.client()
	defer client.Close()
	result, err := client.Do(ctx, r.Request)
	if err != nil && ctx.Err() != nil {
		return &control.Error{Code: codeInterrupted, Message: fmt.Sprintf("interrupted; `supctl status %s` shows whether the %s has begun", r.Targets[0], r.Action)}
	}
	if err != nil && strings.HasSuffix(err.Error(), "has ended") { // after it got the request
		return &control.Error{Code: codeOfError(err), Message: fmt.Sprintf("%s; if the %s has begun, the next supd goes on with it: `supctl releases %s` shows it", err, r.Action, r.Targets[0])}
	}
	if err != nil {
		return err
	}
	c.warnAll(result.Warnings)
	switch {
	case result.Rollout != nil && !r.noWait:
		if r.timeout > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeoutCause(ctx, r.timeout, errLate)
			defer cancel()
		}
		return c.follow(ctx, followed{client: client, app: r.Targets[0], asked: r.Action, rollout: result.Rollout})
	case c.json:
		c.worst(result.Code)
		return c.print(result)
	case result.Rollout != nil:
		c.worst(result.Code)
		fmt.Fprintf(c.out, "%s: %s of %s has begun; `supctl status %s` shows how it goes\n", r.Targets[0], result.Rollout.Kind, result.Rollout.To, r.Targets[0])
	default:
		c.worst(result.Code)
		c.outcomes(result)
	}
	return nil
}

func (c *call) hold() *cobra.Command {
	r := api.Request{Action: api.ActionHold}
	cmd := &cobra.Command{
		Use:               "hold APP",
		Short:             "Refuse deploys of an app until unhold",
		Args:              oneApp,
		ValidArgsFunction: c.completeApps,
		RunE: func(cmd *cobra.Command, args []string) error {
			r.Targets = args
			return c.do(cmd.Context(), r)
		},
	}
	cmd.Flags().StringVar(&r.Reason, "reason", "", "why, for whoever wants to deploy")
	return cmd
}

func (c *call) unhold() *cobra.Command {
	return &cobra.Command{
		Use:               "unhold APP",
		Short:             "Allow deploys of an app again",
		Args:              oneApp,
		ValidArgsFunction: c.completeApps,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.do(cmd.Context(), api.Request{Action: api.ActionUnhold, Targets: args})
		},
	}
}

func oneApp(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%s needs one app", cmd.Name())
	}
	return nil
}
