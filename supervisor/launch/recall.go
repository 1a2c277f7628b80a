package launch

import (
	"context"
	"errors"
	"fmt"

	"supd/privdrop"
	"supd/privdrop/files"
)

// launchedWith tells what a worker was launched with, for questions that take its
// environment.
type launchedWith func(context.Context) (privdrop.Spec, error)

func (with launchedWith) ask(ctx context.Context, question func(privdrop.Spec) error) error {
	spec, err := with(ctx)
	if err != nil {
		return err
	}
	return question(spec)
}

// errForgotten says that what a worker was launched with cannot be found out again.
var errForgotten = errors.New("what it was launched with is not known")

// remembered is what a worker was launched with, as far as somebody had to know it.
type remembered struct {
	turn chan struct{}  // holds one thing while somebody reads it
	spec *privdrop.Spec // nil is not known; of whoever has the turn
}

// recall finds out what the worker was launched with, if the launch had no need to
// remember that. The env_file may be on a disk that does not answer: it is read in a
// goroutine that nobody else waits for, and by one at a time.
func (w *Worker) recall(ctx context.Context) (privdrop.Spec, error) {
	select {
	case w.launched.turn <- struct{}{}:
	case <-ctx.Done():
		return privdrop.Spec{}, forgotten(context.Cause(ctx))
	}
	if spec := w.launched.spec; spec != nil {
		<-w.launched.turn
		return *spec, nil
	}
	type answer struct {
		spec privdrop.Spec
		err  error
	}
	read := make(chan answer, 1)
	_, late := files.Soon(ctx, func() {
		spec, err := w.specAgain()
		if err == nil {
			w.launched.spec = &spec
		}
		<-w.launched.turn
		read <- answer{spec, err}
	})
	if late != nil {
		return privdrop.Spec{}, forgotten(context.Cause(ctx))
	}
	a := <-read
	if a.err != nil {
		a.err = forgotten(a.err)
	}
	return a.spec, a.err
}

func forgotten(err error) error { return fmt.Errorf("%w: %w", errForgotten, err) }

func (w *Worker) specAgain() (privdrop.Spec, error) {
	argv, env, err := environment(w.spec, w.Belongings.Directory, w.notifyPath(), w.statsdAddr())
	if err != nil {
		return privdrop.Spec{}, err
	}
	return w.spec.workerSpec(argv, env), nil
}
