package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

const (
	scriptVariable = "DPKG_MAINTSCRIPT_NAME" // set by dpkg, see dpkg(1)
	scriptFlag     = "from-maintscript"
)

// scriptHelp ends the help of a command that packages call.
const scriptHelp = "From a maintainer script it does not wait, and whatever goes wrong is a warning: dpkg\n" +
	"tells of itself (" + scriptVariable + "), rpm does not and needs --" + scriptFlag + "."

// scriptable marks a command that maintainer scripts call: no error in it may fail
// the package transaction, not even a wrong command line.
func (c *call) scriptable(cmd *cobra.Command) {
	cmd.Annotations = map[string]string{scriptFlag: ""}
	cmd.Flags().BoolVar(&c.fromScript, scriptFlag, false, "called by a package's maintainer script, as rpm does not tell")
}

// inScript reports whether a maintainer script runs cmd. It also looks for the flag
// in args, since cobra may not have read it when another flag is wrong.
func (c *call) inScript(cmd *cobra.Command, args []string) bool {
	if _, ok := cmd.Annotations[scriptFlag]; !ok {
		return false
	}
	return c.fromScript || os.Getenv(scriptVariable) != "" || slices.Contains(args, "--"+scriptFlag)
}

// excuse prints the error of a command in a maintainer script, and what to do.
func (c *call) excuse(ctx context.Context, err error, args []string) {
	if ctx.Err() != nil {
		err = fmt.Errorf("interrupted")
	}
	args = slices.DeleteFunc(slices.Clone(args), func(a string) bool { return strings.HasPrefix(a, "--"+scriptFlag) })
	c.warn("%s; this does not fail the package: put it right, then run `supctl %s`", strings.TrimSpace(err.Error()), strings.Join(args, " "))
}

// warn prints a warning, which does not change the exit code.
func (c *call) warn(format string, args ...any) {
	fmt.Fprintf(c.err, "supctl: warning: "+format+"\n", args...)
}
