package engine

import "supd/supervisor/api"

// Name is that of the worker's slot.
func (l Launch) Name() string { return api.WorkerName(l.App, l.Process.Name, l.Slot) }

// Explain gives the plan by which the worker is launched.
func (l Launch) Explain() (string, error) { return l.worker.revision.Program.Explain(l) }

// Started ends the launch.
func (l Launch) Started(h Handle) Event { return func(o *Owner) { o.started(l.worker, h) } }

// Failed ends the launch, too: there is no process.
func (l Launch) Failed(why error) Event { return func(o *Owner) { o.notStarted(l.worker, why) } }

// Ready says that the worker answered, or said so itself.
func (l Launch) Ready(how string) Event { return func(o *Owner) { o.becameReady(l.worker, how) } }

// Ping is a WATCHDOG=1.
func (l Launch) Ping() Event { return func(o *Owner) { o.pinged(l.worker) } }

// Ill says that the worker was ready, and is no good any more.
func (l Launch) Ill(why string) Event { return func(o *Owner) { o.ill(l.worker, why) } }

// Checked is the answer to a health probe; nil is a good one.
func (l Launch) Checked(err error) Event { return func(o *Owner) { o.checked(l.worker, err) } }

// Churned says that so many child processes of the worker have died young, one
// after the other, while it lives on itself.
func (l Launch) Churned(deaths int) Event { return func(o *Owner) { o.churned(l.worker, deaths) } }

// Smoked is the answer of a candidate; nil is a good one.
func (l Launch) Smoked(err error) Event { return func(o *Owner) { o.smoked(l.worker, err) } }

// Remaining says how many processes live still of what the worker has started.
func (l Launch) Remaining(n int) Event {
	return func(o *Owner) {
		l.worker.others = n
		o.changed(l.worker.slot)
	}
}

// Emptied says that nothing is left of what the worker has started.
func (l Launch) Emptied() Event { return func(o *Owner) { o.emptied(l.worker) } }

// Ended is the end of a worker that nobody reaps, since it is no child.
func (l Launch) Ended(e Exit) Event {
	return func(o *Owner) {
		if o.workers[l.worker.Pid] == l.worker {
			e.Pid = l.worker.Pid
			o.mainEnded(l.worker, e)
		}
	}
}
