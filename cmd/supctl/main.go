// Supctl shows and changes what a supd runs, through its control socket.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/supervisor/api"
	"supd/supervisor/control"
)

var version = "dev" // set by the Makefile

// codeInterrupted is what a shell reports of a command that Ctrl-C has ended.
const codeInterrupted = 128 + int(unix.SIGINT)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends whatever hangs
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// call is one call of supctl.
type call struct {
	out, err    io.Writer
	socket      string
	config      string
	json        bool
	noColor     bool
	fromScript  bool        // a maintainer script says that it is one
	socketGiven func() bool // by the command line or the environment
	code        int         // the worst so far
}

// run carries out a command line and gives the exit code.
func run(ctx context.Context, args []string, out, err io.Writer) int {
	c := &call{out: out, err: err}
	root := c.root()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(err)
	cmd, e := root.ExecuteContextC(ctx)
	switch {
	case e == nil:
	case c.inScript(cmd, args):
		c.excuse(ctx, e, args)
	default:
		c.report(ctx, e)
	}
	return c.code
}

// report prints an error and takes its exit code over. What is not the API's nor
// a failed one's is cobra's, about the command line.
func (c *call) report(ctx context.Context, err error) {
	var e *control.Error
	switch {
	case ctx.Err() != nil && !errors.As(err, &e):
		fmt.Fprintln(c.err, "supctl: interrupted")
		c.worst(codeInterrupted)
	case errors.As(err, &e):
		fmt.Fprintln(c.err, "supctl:", e)
		c.worst(e.Code)
	default:
		fmt.Fprintf(c.err, "supctl: %s (see supctl --help)\n", strings.TrimSpace(err.Error()))
		c.worst(api.CodeUsage)
	}
}

func (c *call) worst(code int) { c.code = max(c.code, code) }

// complain prints what went wrong with a part of what was asked for.
func (c *call) complain(code int, format string, args ...any) {
	fmt.Fprintf(c.err, "supctl: "+format+"\n", args...)
	c.worst(code)
}

func (c *call) client() *control.Client { return control.Dial(c.socket) }

func (c *call) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "supctl",
		Short: "Show and change what supd runs",
		Long: "Show and change what supd runs.\n\n" +
			"A TARGET is APP, APP/PROCESS, APP/PROCESS.SLOT, a glob of those, or all.\n\n" +
			"Exit codes; of several, the highest: 0 done, or already so; 1 failed; 2 usage;\n" +
			"3 something is not running; 4 no such target, or no supd answers; 5 not permitted;\n" +
			"6 the configuration is invalid; 7 a worker did not start; 8 timed out, still in\n" +
			"progress; 9 rolled back, the old release serves; 130 interrupted.",
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
	root.AddCommand(c.status(), c.start(), c.stop(), c.restart(), c.signal(), c.pid(), c.logs(), c.reopen(),
		c.register(), c.unregister(), c.releases(), c.deploy(), c.rollback(), c.hold(), c.unhold(), c.audit(),
		c.explain(), c.check(), c.shutdown(), c.reexec(), c.version(), completion())
	return root
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
