package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/privdrop"
	"supd/privdrop/attend"
	"supd/supervisor"
	"supd/supervisor/api"
	"supd/supervisor/control"
)

func (c *call) run() *cobra.Command {
	var r supervisor.Command
	quiet := false
	cmd := &cobra.Command{
		Use:   "run APP[/PROCESS] -- COMMAND…",
		Short: "Run a command with what an app's workers have; needs no supd",
		Long: "Run a command, such as manage.py, with the user, groups, env, venv, directory, release and\n" +
			"limits of an app, or of one of its processes: then also with its env_file and all that is its\n" +
			"own. It runs here, beside the workers: supd does not know of it. It has no sockets, and none\n" +
			"of the variables of a slot; TERM, and what env_inherit names, are those of this shell. The\n" +
			"files are read as they are now, applied or not.\n\n" +
			"Only root can, and who is that user already. For an operator of an app with allow_run = true\n" +
			"supd runs it, by the configuration that was applied last and without capabilities; what it\n" +
			"has started ends with it, and it ends with this supctl.\n\n" +
			"It ends as the command does: with its exit code, or 128 and the number of the signal that has\n" +
			"ended it. Its own are 2 usage; 4 no such app, process or release; 5 not permitted; 6 the\n" +
			"configuration is invalid; 7 the command could not be started.",
		Example: "  supctl run whois -- manage.py shell\n" +
			"  supctl run whois/worker --quiet -- manage.py clearsessions",
		DisableFlagsInUseLine: true,
		Args:                  runArgs,
		ValidArgsFunction:     c.completeRun,
		RunE: func(cmd *cobra.Command, args []string) error {
			r.App, r.Process, _ = strings.Cut(strings.Replace(args[0], ":", "/", 1), "/")
			r.Argv = args[1:]
			code, err := c.runHere(cmd.Context(), r)
			if isForSupd(err) {
				code, err = c.runThrough(cmd.Context(), r, err)
			}
			if known, is := errors.AsType[*control.Error](err); is && quiet {
				c.worst(known.Code)
				return nil
			}
			c.worst(code)
			return err
		},
	}
	cmd.Flags().StringVar(&r.Version, "release", "", "run with this registered `version` instead of the active one")
	cmd.Flags().BoolVar(&quiet, "quiet", false, "say nothing on standard error but what the command says, for cron")
	c.configFlag(cmd)
	return cmd
}

func runArgs(cmd *cobra.Command, args []string) error {
	switch cmd.ArgsLenAtDash() {
	case 1:
		if len(args) > 1 {
			return nil
		}
	case -1:
		if len(args) > 1 {
			return fmt.Errorf("write -- before the command: `supctl run %s -- %s`", args[0], strings.Join(args[1:], " "))
		}
	}
	return errors.New("run needs an app and a command, such as `supctl run whois -- manage.py check`")
}

// completeRun offers targets, and leaves the command to the shell.
func (c *call) completeRun(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return c.completeTargets(cmd, args, begun)
	}
	return nil, cobra.ShellCompDirectiveDefault
}

// runHere runs the command in this process's place, or in a child that it waits for, and
// gives the exit code.
func (c *call) runHere(ctx context.Context, r supervisor.Command) (int, error) {
	if c.json {
		return 0, errors.New("run has no --json")
	}
	config, err := c.configOfRun(ctx, r.App)
	if err != nil {
		return 0, err
	}
	if term, set := os.LookupEnv("TERM"); set {
		r.Env = append(r.Env, "TERM="+term)
	}
	spec, err := r.Spec(config)
	if refused, is := errors.AsType[*supervisor.CommandError](err); is {
		return 0, &control.Error{Code: refused.Code, Message: refused.Error()}
	}
	// With a release in place the command is a child in any case: what is mounted for it
	// is none of this process's.
	waits := len(spec.Mounts) > 0 && attend.HasTerminal() || attend.OwnSession(spec.Account)
	spec.Session = waits
	plan, err := spec.Plan()
	if err != nil {
		return 0, notRun(err)
	}
	if !waits && len(spec.Mounts) == 0 {
		return 0, notRun(plan.Exec())
	}
	return c.attend(plan)
}

func (c *call) attend(plan *privdrop.Plan) (int, error) {
	end, err := attend.Run(plan, func() {})
	switch {
	case errors.Is(err, attend.ErrUnknown):
		return 0, failed("%s", err)
	case err != nil:
		return 0, notRun(err)
	}
	return end.Status(), nil
}

func notRun(err error) error {
	code := api.CodeNotStarted
	if errors.Is(err, unix.EPERM) && os.Geteuid() != 0 {
		code = api.CodeDenied
	}
	return &control.Error{Code: code, Message: err.Error()}
}

// configOfRun reads the configuration of the supd that is meant: of the socket that was
// named, or of the file.
func (c *call) configOfRun(ctx context.Context, app string) (*configs.Config, error) {
	path, err := c.configFile(ctx, "runs")
	if err != nil {
		return nil, err
	}
	config, err := configs.Load(path, configs.Only(app))
	if err != nil {
		return nil, &control.Error{Code: api.CodeInvalid, Message: err.Error()}
	}
	return config, nil
}
