// Suprun runs one command with no more privileges than it is told to keep: the
// launcher of supd without the daemon.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"supd/privdrop"
	"supd/privdrop/prose"
)

var version = "dev" // set by -ldflags -X

// Exit codes, as of env(1) and setpriv(1). Once the command runs, its own count.
const (
	exitUsage         = 2
	exitFailed        = 125
	exitNotExecutable = 126
	exitNotFound      = 127
)

// Where suprun itself says something. The command gets the descriptors as they are.
var (
	stdout = prose.Writer{To: os.Stdout}
	stderr = prose.Writer{To: os.Stderr}
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	o, err := parse(args)
	switch {
	case err != nil:
		fmt.Fprintf(stderr, "suprun: %v\ntry suprun --help\n", err)
		return exitUsage
	case o.help:
		return say(usage)
	case o.version:
		return say("suprun " + version + "\n")
	}
	if err := o.run(); err != nil {
		fmt.Fprintln(stderr, "suprun: "+err.Error())
		return exitCode(err)
	}
	return 0
}

// say prints what was asked for.
func say(text string) int {
	if _, err := fmt.Fprint(stdout, text); err != nil {
		fmt.Fprintln(stderr, "suprun: the output is lost:", err)
		return exitFailed
	}
	return 0
}

func exitCode(err error) int {
	var failed *privdrop.Error
	switch {
	case errors.Is(err, privdrop.ErrNotFound):
		return exitNotFound
	case errors.Is(err, privdrop.ErrNotExecutable):
		return exitNotExecutable
	case !errors.As(err, &failed) || !strings.HasPrefix(failed.Call, "execve "):
		return exitFailed
	case errors.Is(err, unix.ENOENT):
		return exitNotFound
	}
	return exitNotExecutable
}
