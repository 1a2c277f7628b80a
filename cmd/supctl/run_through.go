package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"supd/configs"
	"supd/privdrop/attend"
	"supd/supervisor"
	"supd/supervisor/api"
	"supd/supervisor/control"
)

// isForSupd reports whether supd may run what this process cannot: it is not root, and may
// not become the app's user, or not even read the files.
func isForSupd(err error) bool {
	known, is := errors.AsType[*control.Error](err)
	return is && os.Geteuid() != 0 && (known.Code == api.CodeDenied || known.Code == api.CodeInvalid)
}

// runThrough has supd run the command, with the standard descriptors of this process. why is
// the error of trying without.
func (c *call) runThrough(ctx context.Context, r supervisor.Command, why error) (int, error) {
	socket := c.socket
	if !c.socketGiven() {
		_, at, _ := configs.Directories(c.config) // an error leaves the defaults
		socket = at.Socket
	}
	client := control.Dial(socket)
	defer client.Close()
	signals := make(chan os.Signal, 64) // before the command runs, so that none is lost
	for _, sig := range control.Passed {
		if !signal.Ignored(sig) { // as nohup(1) has it
			signal.Notify(signals, sig)
		}
	}
	request := api.CommandRequest{App: r.App, Process: r.Process, Version: r.Version, Argv: r.Argv, Term: os.Getenv("TERM")}
	running, err := client.Run(context.WithoutCancel(ctx), request, []int{0, 1, 2}) // ^C is the command's
	if err != nil {
		return 0, neither(why, err)
	}
	defer running.Close()
	go passOn(signals, running)
	end, err := running.Wait()
	return attend.End{Code: end.ExitCode, Signal: unix.Signal(end.Signal)}.Status(), err
}

// passOn stops this process with the command, for the shell to see.
func passOn(signals <-chan os.Signal, to *control.Running) {
	for sig := range signals {
		to.Signal(sig.(unix.Signal))
		if sig == unix.SIGTSTP {
			unix.Kill(os.Getpid(), unix.SIGSTOP)
		}
	}
}

// neither says why the command is run neither here nor by supd.
func neither(here, there error) error {
	isDenied := func(err error) bool {
		known, is := errors.AsType[*control.Error](err)
		return is && known.Code == api.CodeDenied
	}
	switch {
	case control.NoAnswer(there):
		return here
	case isDenied(here) && isDenied(there):
		return &control.Error{Code: api.CodeDenied, Message: fmt.Sprintf("%s; and supd does not run it for you: %s", here, there)}
	}
	return there
}
