package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// completionTime bounds the wait for supd, since a person waits for the shell.
const completionTime = 500 * time.Millisecond

// shells are the shells that completion has a script for.
var shells = []string{"bash", "zsh", "fish"}

func completion() *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print the completion script of bash, zsh or fish",
		Long: "Print the completion script of bash, zsh or fish. In bash:\n\n" +
			"  supctl completion bash >/etc/bash_completion.d/supctl",
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			root, out := cmd.Root(), cmd.OutOrStdout()
			switch strings.Join(args, " ") {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			}
			return fmt.Errorf("completion needs one shell: %s", strings.Join(shells, ", "))
		},
	}
}

// completeTargets offers the apps, processes and workers that supd knows, or
// nothing if it does not answer.
func (c *call) completeTargets(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
	defer cancel()
	s, err := c.client().Status(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	offers := []string{"all"}
	for _, a := range s.Apps {
		offers = append(offers, a.Name)
		for _, p := range a.Processes {
			offers = append(offers, a.Name+"/"+p.Name)
			for _, w := range p.Workers {
				offers = append(offers, w.Name)
			}
		}
	}
	return beginningWith(begun, offers), cobra.ShellCompDirectiveNoFileComp
}

// completeApps offers the apps for the first argument.
func (c *call) completeApps(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return c.completeMoreApps(cmd, args, begun)
}

// completeMoreApps offers the apps for every argument.
func (c *call) completeMoreApps(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
	defer cancel()
	s, err := c.client().Status(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var offers []string
	for _, a := range s.Apps {
		offers = append(offers, a.Name)
	}
	return beginningWith(begun, offers), cobra.ShellCompDirectiveNoFileComp
}

// completeRelease offers the apps, and then the registered versions of the app.
func (c *call) completeRelease(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return c.completeApps(cmd, args, begun)
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
	defer cancel()
	list, err := c.client().Releases(ctx, args[0])
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var offers []string
	for _, r := range list.Releases {
		offers = append(offers, r.Version)
	}
	return beginningWith(begun, offers), cobra.ShellCompDirectiveNoFileComp
}

func (c *call) completeSignal(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return c.completeTargets(cmd, args, begun)
	}
	return beginningWith(begun, []string{"HUP", "INT", "QUIT", "USR1", "USR2", "TERM", "WINCH", "KILL"}), cobra.ShellCompDirectiveNoFileComp
}

func beginningWith(begun string, all []string) (some []string) {
	for _, s := range all {
		if strings.HasPrefix(s, begun) {
			some = append(some, s)
		}
	}
	return some
}
