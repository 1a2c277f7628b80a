package main

import (
	"io"
	"os"

	"golang.org/x/term"

	"supd/supervisor/api"
)

// plain ends a colour (SGR of ECMA-48).
const plain = "\x1b[0m"

var colors = map[api.State]string{
	api.Running:   "\x1b[32m", // green
	api.Starting:  "\x1b[33m", // yellow
	api.Stopping:  "\x1b[33m",
	api.Unhealthy: "\x1b[31m", // red
	api.Backoff:   "\x1b[31m",
	api.Failed:    "\x1b[31m",
}

// colored reports whether colours are wanted, and the output shows them.
func (c *call) colored() bool {
	return !c.noColor && os.Getenv("NO_COLOR") == "" && ansi() && isTerminal(c.out)
}

// ansi reports whether the terminal understands ECMA-48.
func ansi() bool { return os.Getenv("TERM") != "dumb" }

func isTerminal(w io.Writer) bool {
	f := fileOf(w)
	return f != nil && term.IsTerminal(int(f.Fd()))
}
