package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"supd/supervisor/api"
	"supd/supervisor/control"
)

// How long the next supd may take to answer, and how often it is asked.
const (
	reexecTime = time.Minute
	reexecLook = 20 * time.Millisecond
)

func (c *call) reexec() *cobra.Command {
	return &cobra.Command{
		Use:   "reexec",
		Short: "Replace supd by the installed one; no worker notices",
		Args:  noArgument,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.replaceSupd(cmd.Context())
		},
	}
}

// replaceSupd asks supd to replace itself, and waits until another supd answers.
func (c *call) replaceSupd(ctx context.Context) error {
	client := c.client()
	defer func() { client.Close() }()
	before, err := client.Version(ctx)
	if err != nil {
		return err
	}
	result, err := client.Do(ctx, api.Request{Action: api.ActionReexec})
	if err != nil {
		return err
	}
	moved := ""
	if result.Socket != "" { // control.socket has changed
		client.Close()
		client, moved = control.Dial(result.Socket), ", on "+printable(result.Socket)
	}
	for late := time.Now().Add(reexecTime); ; {
		now, err := client.Version(ctx)
		switch {
		case err == nil && !now.StartedAt.Equal(before.StartedAt):
			if c.json {
				return c.print(now)
			}
			fmt.Fprintf(c.out, "supd %s is now %s, pid %d%s\n", before.Version, now.Version, now.Pid, moved)
			return nil
		case time.Now().Before(late) && ctx.Err() == nil:
		case err == nil:
			return &control.Error{Code: api.CodeFailed, Message: "the old supd goes on; its log says why"}
		default:
			return &control.Error{Code: api.CodeNoTarget, Message: "no supd answers since the old one was asked to give way; its log says why"}
		}
		time.Sleep(reexecLook)
	}
}
