package launch

import (
	"errors"

	"supd/configs"
	"supd/privdrop"
)

// Join tells what a worker was launched from that was adopted when that was not known,
// so that nothing was asked of it: it is listened to and looked after from now on. It
// is called by whoever owns the worker.
func (w *Worker) Join(c *configs.Process, account *privdrop.Account) {
	w.spec.Process, w.spec.Account = c, account // whoever waits for its end reads the rest
	w.health.Store(&c.Health)
	if !w.Lives() {
		return
	}
	if err := errors.Join(w.openNotify(), w.takeProbe()); err != nil {
		w.launcher.Log.Warn("taking over what belongs to a worker", "worker", w.spec.Name(), "pid", w.Pid, "error", err)
	}
}
