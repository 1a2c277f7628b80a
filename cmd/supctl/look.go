package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"supd/configs"
	"supd/supervisor/api"
	"supd/supervisor/control"
)

func (c *call) pid() *cobra.Command {
	return &cobra.Command{
		Use:               "pid [TARGET…]",
		Short:             "Print the process id of supd, or of workers",
		ValidArgsFunction: c.completeTargets,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.daemonPid(cmd.Context())
			}
			return c.workerPids(cmd.Context(), args)
		},
	}
}

func (c *call) daemonPid(ctx context.Context) error {
	v, err := c.client().Version(ctx)
	if err != nil {
		return err
	}
	if c.json {
		return c.print(v)
	}
	fmt.Fprintln(c.out, v.Pid)
	return nil
}

func (c *call) workerPids(ctx context.Context, targets []string) error {
	s, err := c.client().Status(ctx, targets...)
	if err != nil {
		return err
	}
	found, named := false, namesProcess(targets)
	for w := range s.Workers() {
		found = true
		switch {
		case w.Pid == 0 && w.AsWished && !named: // it runs only when it is named
		case w.Pid == 0:
			c.complain(api.CodeNotRunning, "%s: no process, %s", w.Name, w.State)
		case !c.json:
			fmt.Fprintln(c.out, w.Pid)
		}
	}
	if !found {
		c.complain(api.CodeNotRunning, "%s: no process, since there are no workers", strings.Join(targets, " "))
	}
	if c.json {
		return c.print(s)
	}
	return nil
}

func (c *call) explain() *cobra.Command {
	return &cobra.Command{
		Use:               "explain TARGET",
		Short:             "Show how workers are launched, system call by system call",
		Args:              oneTarget,
		ValidArgsFunction: c.completeTargets,
		RunE: func(cmd *cobra.Command, args []string) error {
			all, err := c.client().Explain(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if c.json {
				return c.print(all)
			}
			for i, e := range all {
				if i > 0 {
					fmt.Fprintln(c.out)
				}
				fmt.Fprintf(c.out, "%s:\n%s", e.Name, e.Plan)
			}
			return nil
		},
	}
}

func oneTarget(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%s needs one target", cmd.Name())
	}
	return nil
}

func (c *call) check() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check [FILE…]",
		Short: "Tell whether the configuration, or app files, are valid; needs no supd",
		Long: "Tell whether the configuration, or app files, are valid. It needs no supd: where one answers\n" +
			"on a --socket that was named, and no --config was, its configuration is meant.",
		RunE: func(cmd *cobra.Command, files []string) error {
			if c.json {
				return errors.New("check has no --json")
			}
			path := c.config
			if !c.configGiven && c.socketGiven() { // which may be that of another supd's files
				if v, uid, err := c.asked(cmd.Context()); err == nil && v.Where != nil && v.Where.Config != "" && isTrusted(uid) {
					path = v.Where.Config
				}
			}
			var code int
			var out, errs bytes.Buffer
			if err := untilTold(cmd.Context(), func() { code = checkFiles(path, files, &out, &errs) }); err != nil {
				return err
			}
			c.err.Write(errs.Bytes())
			c.out.Write(out.Bytes())
			c.worst(code)
			return nil
		},
	}
	c.configFlag(cmd)
	return cmd
}

func checkFiles(path string, files []string, stdout, stderr io.Writer) int {
	load := func() (*configs.Config, error) { return configs.Load(path, configs.ForCheck()) }
	if len(files) > 0 {
		load = func() (*configs.Config, error) { return configs.LoadFiles(path, files...) }
	}
	config, err := load()
	if err != nil {
		fmt.Fprintln(stderr, err)
		return api.CodeInvalid
	}
	return control.Check(config, false, stdout, stderr)
}

// versions is what the command version prints as JSON.
type versions struct {
	Client string           `json:"client"`
	Daemon *control.Version `json:"daemon"` // null when none answers
}

func (c *call) version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the versions of supctl and, if it runs, of supd",
		Args:  noArgument,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := c.client().Version(cmd.Context())
			switch {
			case c.json && err != nil:
				return c.print(versions{Client: version})
			case c.json:
				return c.print(versions{version, &v})
			}
			fmt.Fprintln(c.out, "supctl", version)
			if err != nil { // which is a result, too
				fmt.Fprintln(c.out, err)
				return nil
			}
			fmt.Fprintf(c.out, "supd %s, pid %d\n", v.Version, v.Pid)
			return nil
		},
	}
}
