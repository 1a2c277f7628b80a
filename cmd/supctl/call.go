package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"supd/supervisor/api"
	"supd/supervisor/control"
)

// call is one call of supctl.
type call struct {
	in          *os.File // keys, for top
	out, err    io.Writer
	socket      string
	config      string
	configGiven bool // by the command line or the environment
	json        bool
	noColor     bool
	fromScript  bool        // a maintainer script says that it is one
	socketGiven func() bool // by the command line or the environment
	code        int         // the worst so far
}

// codeInterrupted is what a shell reports of a command that Ctrl-C has ended.
const codeInterrupted = 128 + int(unix.SIGINT)

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
