package launch

import (
	"errors"

	"supd/privdrop"
	"supd/supervisor/tree"
)

// AwaitRest waits until nothing of a worker is left, whose main process has ended, or
// until the worker is released. remaining is told how many of it live still, whenever that
// may have changed. Any goroutine may call it.
func (w *Worker) AwaitRest(self int, left tree.Worker, alive func(pid int) bool, remaining func(n int)) error {
	for quiet := 0; quiet < 2 && w.life.Err() == nil; quiet++ { // see tree.Signal
		members, err := tree.Members(self, left, alive)
		if err != nil {
			return err
		}
		if len(members) > 0 {
			quiet = -1
		}
		for i, m := range members {
			remaining(len(members) - i)
			if err := w.awaitEnd(m); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *Worker) awaitEnd(m tree.Process) error {
	p, err := privdrop.Adopt(m.Pid, m.Start, 0)
	if errors.Is(err, privdrop.ErrGone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer p.Close()
	_, _ = p.Done(w.life) // an error says that it is released
	return nil
}
