package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/spf13/cobra"

	"supd/supervisor/api"
	"supd/supervisor/control"
)

func (c *call) start() *cobra.Command {
	return c.waiting(api.ActionStart, "Start workers and wait until they are ready")
}

func (c *call) stop() *cobra.Command {
	return c.waiting(api.ActionStop, "Stop workers and wait until they have ended")
}

func (c *call) restart() *cobra.Command {
	return c.waiting(api.ActionRestart, "Replace workers one by one, new before old")
}

// waiting makes a command that asks supd for an action and waits until that is
// done.
func (c *call) waiting(action api.Action, short string) *cobra.Command {
	r := api.Request{Action: action}
	cmd := &cobra.Command{
		Use:               string(action) + " TARGET…",
		Short:             short,
		Args:              someTarget,
		ValidArgsFunction: c.completeTargets,
		RunE: func(cmd *cobra.Command, args []string) error {
			if r.Timeout < 0 {
				return fmt.Errorf("--timeout %s: want 0 (without limit) or more", r.Timeout)
			}
			r.Targets = args
			return c.do(cmd.Context(), r)
		},
	}
	timeoutFlag(cmd, &r.Timeout)
	if action == api.ActionStart || action == api.ActionStop {
		cmd.Flags().BoolVar(&r.Persist, "persist", false, "also of the next supd and after a reboot, until the contrary is asked for")
	}
	if action == api.ActionRestart {
		cmd.Flags().BoolVar(&r.Hard, "hard", false, "stop, then start")
	}
	return cmd
}

func someTarget(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("%s needs a target; `%s all` is for every worker", cmd.Name(), cmd.CommandPath())
	}
	return nil
}

func noArgument(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes no argument, got %q", cmd.Name(), args[0])
	}
	return nil
}

func (c *call) signal() *cobra.Command {
	return &cobra.Command{
		Use:   "signal SIG TARGET…",
		Short: "Send a signal to main processes",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return errors.New("signal needs a signal and a target, such as `supctl signal HUP all`")
			}
			return nil
		},
		ValidArgsFunction: c.completeSignal,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.do(cmd.Context(), api.Request{Action: api.ActionSignal, Signal: args[0], Targets: args[1:]})
		},
	}
}

func (c *call) reopen() *cobra.Command {
	return &cobra.Command{
		Use:   "reopen",
		Short: "Open the log files anew, after they were moved",
		Args:  noArgument,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.do(cmd.Context(), api.Request{Action: api.ActionReopen})
		},
	}
}

func (c *call) clear() *cobra.Command {
	return &cobra.Command{
		Use:               "clear TARGET…",
		Short:             "Empty the logs of processes, and remove what they were rotated to",
		Args:              someTarget,
		ValidArgsFunction: c.completeTargets,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.do(cmd.Context(), api.Request{Action: api.ActionClear, Targets: args})
		},
	}
}

func (c *call) rotate() *cobra.Command {
	return &cobra.Command{
		Use:               "rotate [TARGET…]",
		Short:             "Rotate the logs of processes now, whatever their size and age",
		ValidArgsFunction: c.completeTargets,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.do(cmd.Context(), api.Request{Action: api.ActionRotate, Targets: args})
		},
	}
}

func (c *call) shutdown() *cobra.Command {
	return &cobra.Command{
		Use:   "shutdown",
		Short: "Stop all workers, then supd",
		Args:  noArgument,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client := c.client()
			defer client.Close()
			before, _ := client.Version(cmd.Context()) // an error comes again
			if err := c.do(cmd.Context(), api.Request{Action: api.ActionShutdown}); err != nil {
				return err
			}
			c.awaitEnd(cmd.Context(), client, before.StartedAt)
			return nil
		},
	}
}

// endTime is how long is waited for the end of a supd whose workers have stopped.
var endTime = 10 * time.Second

// awaitEnd waits until supd does not answer any more, or another one does, which its keeper
// has started.
func (c *call) awaitEnd(ctx context.Context, client *control.Client, startedAt time.Time) {
	ctx, cancel := context.WithTimeout(ctx, endTime)
	defer cancel()
	for {
		v, err := client.Version(ctx)
		switch {
		case ctx.Err() != nil:
			c.note("supd has not ended yet: the disk of a log or of a socket does not answer")
			return
		case err != nil || !v.StartedAt.Equal(startedAt):
			return
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// do sends a request to supd, and prints the result.
func (c *call) do(ctx context.Context, r api.Request) error {
	result, err := c.client().Do(ctx, r)
	if err != nil && ctx.Err() != nil {
		return &control.Error{Code: codeInterrupted, Message: fmt.Sprintf("interrupted; supd goes on with the %s", r.Action)}
	}
	if err != nil {
		return err
	}
	c.worst(result.Code)
	if c.json {
		return c.print(result)
	}
	c.outcomes(result)
	c.words(ctx, r.Action, result)
	switch r.Action {
	case api.ActionReopen:
		fmt.Fprintln(c.out, "log files reopened")
	case api.ActionShutdown:
		fmt.Fprintln(c.out, "all workers have stopped")
	}
	return nil
}

// outcomes prints the outcome of each worker, or app. The exit code is that of the
// worst.
func (c *call) outcomes(r *api.Result) {
	for _, o := range r.Outcomes {
		if o.Code != api.CodeDone {
			c.complain(o.Code, "%s: %s", o.Name, printable(o.Message))
			continue
		}
		fmt.Fprintf(c.out, "%s: %s\n", o.Name, printable(o.Message))
	}
}

// words shows the last lines of the workers that did not start, each once, and those of
// processes that take longer than supctl was to wait.
func (c *call) words(ctx context.Context, action api.Action, r *api.Result) {
	said := map[string]bool{}
	for _, o := range r.Outcomes {
		lines := o.Output
		if len(lines) == 0 && o.Code == api.CodeTimeout && action == api.ActionStop {
			lines, _ = c.tail(ctx, o.Name, statusLines) // what is not there says nothing
		}
		if text := strings.Join(lines, "\n"); len(lines) > 0 && !said[text] {
			said[text] = true
			c.complain(o.Code, "the last lines of %s:", o.Name)
			c.quote(lines)
		}
	}
}

// print writes a document of the API on one line.
func (c *call) print(document any) error {
	text, err := json.Marshal(document)
	if err == nil {
		_, err = fmt.Fprintln(c.out, escaped(string(text)))
	}
	if err != nil {
		return failed("%s", err)
	}
	return nil
}

// escaped writes what is not printable in a JSON text as \uXXXX: it can only be within a
// string, and who reads the text may be a terminal.
func escaped(text string) string {
	if strings.IndexFunc(text, unprintable) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case !unprintable(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }
