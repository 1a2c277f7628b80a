package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"supd/supervisor/api"
)

func (c *call) audit() *cobra.Command {
	return &cobra.Command{
		Use:               "audit [APP…]",
		Short:             "Look for releases whose files are not as they were registered",
		ValidArgsFunction: c.completeMoreApps,
		RunE: func(cmd *cobra.Command, args []string) error {
			findings, err := c.findings(cmd.Context(), args)
			if err != nil {
				return err
			}
			if len(findings) > 0 {
				c.worst(api.CodeFailed)
			}
			if c.json {
				return c.print(findings)
			}
			for _, f := range findings {
				fmt.Fprintln(c.out, sentence(f))
			}
			if len(findings) == 0 {
				fmt.Fprintln(c.out, "ok: every registered release is as it was registered")
			}
			return nil
		},
	}
}

func (c *call) findings(ctx context.Context, apps []string) ([]api.Finding, error) {
	client := c.client()
	defer client.Close()
	if len(apps) == 0 {
		apps = []string{""} // all
	}
	all := []api.Finding{}
	for _, app := range apps {
		some, err := client.Audit(ctx, app)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// sentence gives `whois 1.4.0: manage.py: size 12, was 10`.
func sentence(f api.Finding) string {
	text := f.App
	for _, part := range []struct{ before, s string }{{" ", f.Release}, {": ", f.Path}, {": ", f.Message}} {
		if part.s != "" {
			text += part.before + printable(part.s)
		}
	}
	return text
}
