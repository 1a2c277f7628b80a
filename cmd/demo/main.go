// Demo shows supd's main job in the terminal, with itself as the application.
//
//	demo        the show: a whole supd in a temporary directory, removed at the end
//	demo app    the application: an HTTP server on the sockets it was given
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"

	"golang.org/x/sys/unix"
)

var version = "dev"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 0:
		return show()
	case len(args) == 1 && args[0] == "app":
		return serve()
	case len(args) == 1 && args[0] == "--version":
		fmt.Println("demo", version)
		return nil
	}
	return fmt.Errorf("unknown argument %q; want none, app or --version", args[0])
}

// show plays the whole show on a stage that is taken down in every case.
func show() (err error) {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM, unix.SIGHUP)
	defer cancel()

	self, err := os.Executable()
	if err != nil {
		return err
	}
	s, err := newStage(self, filepath.Dir(self))
	if err != nil {
		return err
	}
	defer func() {
		if e := s.teardown(); err == nil {
			err = e
		}
	}()
	return s.play(ctx)
}
