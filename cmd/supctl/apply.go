package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"supd/configs"
	"supd/supervisor/api"
	"supd/supervisor/control"
)

// codeChanged is what --detailed-exitcode makes of a success with changes. The codes
// below it are taken.
const codeChanged = 10

const detailedHelp = "end with 10 instead of 0 where anything changes"

// diff has supd say what an apply would change.
func (c *call) diff() *cobra.Command {
	detailed := false
	cmd := &cobra.Command{
		Use:     "diff [APP…]",
		Aliases: []string{"reread"},
		Short:   "Show what the files of the configuration would change",
		Long: "Show what the files of the configuration would change, a worker a line: what would\n" +
			"become of it, which keys say something else, and why. What may be secret is hidden.\n" +
			"`supctl apply` does it. APP looks at the files of these apps alone.",
		ValidArgsFunction: c.completeMoreApps,
		RunE: func(cmd *cobra.Command, apps []string) error {
			if err := c.askOne(cmd.Context()); err != nil {
				return err
			}
			changes, err := c.client().Diff(cmd.Context(), named(apps)...)
			if err != nil {
				return err
			}
			c.detail(detailed, changes)
			if c.json {
				return c.print(changes)
			}
			c.wouldChange(changes)
			return nil
		},
	}
	cmd.Flags().BoolVar(&detailed, "detailed-exitcode", false, detailedHelp)
	c.fileOfSocket(cmd)
	return cmd
}

// applyFiles has supd apply its files.
func (c *call) applyFiles() *cobra.Command {
	r, detailed := api.Request{Action: api.ActionApply}, false
	cmd := &cobra.Command{
		Use:     "apply [APP…]",
		Aliases: []string{"update"},
		Short:   "Apply the changed files of the configuration, and wait for what becomes of it",
		Long: "Apply the changed files of the configuration: of all of them, or of none where one is\n" +
			"invalid. APP applies the files of these apps alone, and leaves all others as they are,\n" +
			"whatever their files say. Workers are started, replaced and stopped only as far as\n" +
			"they have to be; it waits until that is done, and says what has become of it. What\n" +
			"waits to be started again, and what was held back, is tried at once.\n\n" +
			"Exit codes: 6 a file is invalid, and nothing has changed; 7 a worker did not start;\n" +
			"9 a replacement failed, and the old worker goes on.",
		ValidArgsFunction: c.completeMoreApps,
		RunE: func(cmd *cobra.Command, apps []string) error {
			if r.Timeout < 0 {
				return fmt.Errorf("--timeout %s: want 0 (without limit) or more", r.Timeout)
			}
			r.Targets = named(apps)
			if err := c.askOne(cmd.Context()); err != nil {
				return err
			}
			return c.apply(cmd.Context(), r, detailed)
		},
	}
	cmd.Flags().BoolVar(&r.Detach, "no-wait", false, "end once it has begun")
	cmd.Flags().DurationVar(&r.Timeout, "timeout", 0, "how long to wait, such as 5m; it goes on after that (0 waits without limit)")
	cmd.Flags().BoolVar(&detailed, "detailed-exitcode", false, detailedHelp)
	c.fileOfSocket(cmd)
	return cmd
}

// named are the apps that are to be looked at alone; none is all of them.
func named(apps []string) []string {
	if slices.Equal(apps, []string{"all"}) {
		return nil
	}
	return apps
}

// fileOfSocket lets a command name the file of the supd that is meant.
func (c *call) fileOfSocket(cmd *cobra.Command) {
	c.configFlag(cmd)
	cmd.Flags().Lookup("config").Usage = "file of the supd that is meant: it tells the socket, unless --socket does (environment SUPD_CONFIG)"
}

// askTheFile takes the socket from the configuration where no other one was named: it is
// the supd of these files that is meant.
func (c *call) askTheFile() {
	if c.socketGiven() {
		return
	}
	if _, at, err := configs.Directories(c.config); err == nil && at.Socket != "" {
		c.socket = at.Socket
	}
}

// askOne does the same, and refuses a file and a socket that are those of two supds.
func (c *call) askOne(ctx context.Context) error {
	c.askTheFile()
	if !c.socketGiven() || !c.configGiven {
		return nil
	}
	_, err := c.configFile(ctx, "applies")
	return err
}

func (c *call) apply(ctx context.Context, r api.Request, detailed bool) error {
	result, err := c.client().Do(ctx, r)
	if err != nil && ctx.Err() != nil {
		return &control.Error{Code: codeInterrupted, Message: "interrupted; supd goes on with what it has begun, and `supctl status` shows it"}
	}
	if err != nil {
		return err
	}
	if result.Changes == nil {
		return failed("supd has answered without saying what has changed; `supctl version` shows whether it is of the same version")
	}
	c.worst(result.Code)
	c.detail(detailed, result.Changes)
	if c.json {
		return c.print(result)
	}
	c.hasChanged(result, r.Detach)
	c.words(ctx, r.Action, result)
	return nil
}

// detail makes the exit code tell whether anything changes; what has failed counts more.
func (c *call) detail(wanted bool, changes *api.Changes) {
	if wanted && c.code == api.CodeDone && !changes.IsEmpty() {
		c.code = codeChanged
	}
}

// reload has supd do what a worker understands as that; without a target it says what
// may be meant.
func (c *call) reload() *cobra.Command {
	cmd := c.waiting(api.ActionReload, "Have workers read their own configuration anew, or restart them")
	cmd.Long = "Send workers their reload_signal; those of a process without one are restarted.\n" +
		"`supctl apply` is for changed files of supd's."
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return errors.New("reload needs a target: `supctl reload TARGET` has workers read their own configuration anew; `supctl apply` applies changed files of supd's, and `supctl diff` shows what that would do")
		}
		return nil
	}
	return cmd
}
