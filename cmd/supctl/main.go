// Supctl shows and changes what a supd runs, through its control socket.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/privdrop/prose"
	"supd/supervisor/control"
)

var version = "dev" // set by the Makefile

// main waits in the first thread, and nothing else runs there, as in supd: a thread that
// waits for a disk which does not answer would keep signals away.
func main() {
	runtime.LockOSThread()
	code := make(chan int)
	go func() { code <- act() }()
	os.Exit(<-code)
}

func act() int {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends whatever hangs
	if filepath.Base(os.Args[0]) == oldName {
		return runOld(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	}
	return run(ctx, os.Args[1:], os.Stdout, os.Stderr)
}

// run carries out a command line and gives the exit code.
func run(ctx context.Context, args []string, stdout, err io.Writer) int {
	out := &written{Writer: stdout}
	c := &call{in: os.Stdin, out: prose.Writer{To: out}, err: prose.Writer{To: err}}
	root := c.root()
	root.SetArgs(args)
	root.SetOut(c.out)
	root.SetErr(c.err)
	cmd, e := root.ExecuteContextC(ctx)
	if _, ofAPI := errors.AsType[*control.Error](e); !ofAPI && out.error() != nil {
		e = failed("the output is lost: %s", out.error())
	}
	switch {
	case e == nil:
	case cmd.Name() == healthCommand:
		c.unknownHealth(ctx, e)
	case c.inScript(cmd, args):
		c.excuse(ctx, e, args)
	default:
		c.report(ctx, e)
	}
	return c.code
}

func (c *call) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "supctl",
		Short: "Show and change what supd runs",
		Long: "Show and change what supd runs.\n\n" +
			"A TARGET is APP, APP/PROCESS, APP/PROCESS.SLOT, a glob of those, or all. What runs only\n" +
			"when it is named (autostart = false) is started with APP/PROCESS, not with APP or all.\n\n" +
			"Called supervisorctl, by a link of that name, it takes the command lines of supervisord's\n" +
			"client and answers in its form.\n\n" +
			"Exit codes; of several, the highest: 0 done, or already so; 1 failed; 2 usage;\n" +
			"3 something is not as wished; 4 no such target, or no supd answers; 5 not permitted;\n" +
			"6 the configuration is invalid; 7 a worker did not start; 8 timed out, still in\n" +
			"progress; 9 rolled back, what was there before serves; 10 something changes (apply and\n" +
			"diff with --detailed-exitcode); 130 interrupted. check-health has those of Nagios\n" +
			"plug-ins, and run that of its command.",
		Args:          cobra.ArbitraryArgs,
		RunE:          unknown,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	flags := root.PersistentFlags()
	flags.StringVar(&c.socket, "socket", defaultSocket(), "supd's control socket (environment SUPD_SOCKET)")
	flags.BoolVar(&c.json, "json", false, "print what the API answers")
	flags.BoolVar(&c.noColor, "no-color", false, "no colours, also not on a terminal (environment NO_COLOR)")
	root.SuggestionsMinimumDistance = 2
	root.CompletionOptions.DisableDefaultCmd = true
	c.socketGiven = func() bool { return flags.Changed("socket") || os.Getenv("SUPD_SOCKET") != "" }
	root.SetFlagErrorFunc(wrongFlag)
	root.AddCommand(c.status(), c.top(), c.checkHealth(), c.diff(), c.applyFiles(), c.start(), c.stop(), c.restart(), c.reload(), c.scale(), c.wait(), c.run(),
		c.signal(), c.pid(), c.logs(), c.reopen(), c.rotate(), c.clear(),
		c.register(), c.unregister(), c.releases(), c.deploy(), c.rollback(), c.hold(), c.unhold(), c.audit(),
		c.explain(), c.check(), c.convert(), c.shutdown(), c.reexec(), c.version(), completion())
	return root
}

// wanted says what the value of a flag is to be, by its kind.
var wanted = map[string]string{"int": "a whole number", "duration": "a duration such as 30s, 5m or 1h30m", "bool": "true or false, or no value"}

// wrongFlag says what is wrong with a flag in the words of its user.
func wrongFlag(_ *cobra.Command, err error) error {
	wrong, is := errors.AsType[*pflag.InvalidValueError](err)
	if !is || wanted[wrong.GetFlag().Value.Type()] == "" {
		return err
	}
	return fmt.Errorf("invalid argument %q for --%s: want %s", wrong.GetValue(), wrong.GetFlag().Name, wanted[wrong.GetFlag().Value.Type()])
}

func defaultSocket() string {
	if path := os.Getenv("SUPD_SOCKET"); path != "" {
		return path
	}
	_, c := configs.Default()
	return c.Socket
}

// unknown is reached when no command has the first argument's name.
func unknown(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return errors.New("no command")
	}
	if near := root.SuggestionsFor(args[0]); len(near) > 0 {
		return fmt.Errorf("unknown command %q, did you mean %q?", args[0], near[0])
	}
	return fmt.Errorf("unknown command %q", args[0])
}
